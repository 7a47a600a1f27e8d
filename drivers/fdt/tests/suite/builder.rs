// SPDX-License-Identifier: Apache-2.0
//! Builds blobs, sound ones from nodes and broken ones from tags.

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// A blob in the making, tag by tag; nothing stops it from being nonsense.
#[derive(Default)]
pub(crate) struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
    reservations: Vec<(u64, u64)>,
}

impl Writer {
    pub(crate) fn word(&mut self, word: u32) -> &mut Self {
        self.structure.extend(word.to_be_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.structure.extend(bytes);
        let padded = self.structure.len().next_multiple_of(4);
        self.structure.resize(padded, 0);
        self
    }

    pub(crate) fn begin(&mut self, name: &str) -> &mut Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(0);
        self.word(BEGIN_NODE).bytes(&bytes)
    }

    pub(crate) fn property(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let name = self.string(name.as_bytes());
        let length = u32::try_from(value.len()).expect("a small value");
        self.word(PROP).word(length).word(name).bytes(value)
    }

    pub(crate) fn end_node(&mut self) -> &mut Self {
        self.word(END_NODE)
    }

    pub(crate) fn nop(&mut self) -> &mut Self {
        self.word(NOP)
    }

    pub(crate) fn end(&mut self) -> &mut Self {
        self.word(END)
    }

    pub(crate) fn reserve(&mut self, base: u64, size: u64) -> &mut Self {
        self.reservations.push((base, size));
        self
    }

    /// Where a NUL-terminated string is in the strings block.
    fn string(&mut self, name: &[u8]) -> u32 {
        let mut wanted = name.to_vec();
        wanted.push(0);
        let known = self.strings.windows(wanted.len()).position(|one| one == wanted);
        let at = known.unwrap_or_else(|| {
            self.strings.extend(&wanted);
            self.strings.len() - wanted.len()
        });
        u32::try_from(at).expect("few strings")
    }

    /// Puts header and blocks together (section 5.1 of the specification).
    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut reserved = Vec::new();
        for (base, size) in self.reservations.iter().chain([&(0, 0)]) {
            reserved.extend(base.to_be_bytes());
            reserved.extend(size.to_be_bytes());
        }
        let structure = 40 + reserved.len();
        let strings = structure + self.structure.len();
        let total = strings + self.strings.len();
        let fields = [
            0xd00d_feed,
            total,
            structure,
            strings,
            40,
            17,
            16,
            0,
            self.strings.len(),
            self.structure.len(),
        ];
        let mut blob = Vec::new();
        for field in fields {
            blob.extend(u32::try_from(field).expect("a small blob").to_be_bytes());
        }
        blob.extend(reserved);
        blob.extend(&self.structure);
        blob.extend(&self.strings);
        blob
    }
}

/// A node with all below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) properties: Vec<(String, Vec<u8>)>,
    pub(crate) children: Vec<Item>,
}

/// A node without anything.
pub(crate) fn item(name: &str) -> Item {
    Item { name: name.to_owned(), ..Item::default() }
}

impl Item {
    pub(crate) fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.properties.push((name.to_owned(), value.to_vec()));
        self
    }

    pub(crate) fn words(self, name: &str, words: &[u32]) -> Self {
        let value: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.bytes(name, &value)
    }

    pub(crate) fn word(self, name: &str, word: u32) -> Self {
        self.words(name, &[word])
    }

    pub(crate) fn texts(self, name: &str, texts: &[&str]) -> Self {
        let value: String = texts.iter().flat_map(|text| [*text, "\0"]).collect();
        self.bytes(name, value.as_bytes())
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.texts(name, &[text])
    }

    pub(crate) fn widths(self, address: u32, size: u32) -> Self {
        self.word("#address-cells", address).word("#size-cells", size)
    }

    pub(crate) fn child(mut self, child: Item) -> Self {
        self.children.push(child);
        self
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.begin(&self.name);
        for (name, value) in &self.properties {
            writer.property(name, value);
        }
        for child in &self.children {
            child.write(writer);
        }
        writer.end_node();
    }

    /// The blob of the tree whose root this is.
    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.end().blob()
    }
}

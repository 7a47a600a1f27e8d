// SPDX-License-Identifier: Apache-2.0
//! Builds ELF files, field by field; nothing stops them from being nonsense.

/// Where the segments' bytes begin in a built file.
pub(crate) const BODY: u64 = 0x400;
/// Where the program headers begin.
pub(crate) const TABLE: usize = 64;
/// Bytes in a program header.
pub(crate) const ENTRY: usize = 56;

pub(crate) const LOAD: u32 = 1;
pub(crate) const DYNAMIC: u32 = 2;
pub(crate) const INTERP: u32 = 3;
pub(crate) const STACK: u32 = 0x6474_e551;

pub(crate) const X: u32 = 1;
pub(crate) const W: u32 = 2;
pub(crate) const R: u32 = 4;

/// Offset and size of each field of the ELF header.
pub(crate) const FIELDS: [(usize, usize); 19] = [
    (0, 4),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 1),
    (8, 8),
    (16, 2),
    (18, 2),
    (20, 4),
    (24, 8),
    (32, 8),
    (40, 8),
    (48, 4),
    (52, 2),
    (54, 2),
    (56, 2),
    (58, 2),
    (60, 2),
    (62, 2),
];

/// Offset and size of each field of a program header.
pub(crate) const HEADER_FIELDS: [(usize, usize); 8] =
    [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8)];

/// Writes the low bytes of a number, little-endian; nothing if there is no room.
pub(crate) fn put(file: &mut [u8], (at, size): (usize, usize), number: u64) {
    if let Some(place) = file.get_mut(at..at + size) {
        place.copy_from_slice(&number.to_le_bytes()[..size]);
    }
}

/// A program header.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) size: u64,
    pub(crate) align: u64,
}

/// An ELF file in the making.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    pub(crate) ident: [u8; 16],
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) version: u32,
    pub(crate) entry: u64,
    pub(crate) table: u64,
    pub(crate) flags: u32,
    pub(crate) entry_size: u16,
    /// Header count, if it is not the true one.
    pub(crate) count: Option<u16>,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

impl Elf {
    /// Without segments. `kind` 2 is fixed, 3 is a PIE.
    pub(crate) fn new(kind: u16) -> Self {
        let mut ident = [0; 16];
        ident[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        Self {
            ident,
            kind,
            machine: 243,
            version: 1,
            entry: 0,
            table: 64,
            flags: 5,
            entry_size: 56,
            count: None,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// As a linker lays it out: constants, code, data, each on the page behind
    /// the last, and the stack's header.
    pub(crate) fn usual(kind: u16) -> Self {
        let base = if kind == 2 { 0x1_0000 } else { 0 };
        let mut elf = Self::new(kind);
        elf.load(base, R, b"constants", 9);
        elf.load(base + 0x1000, R | X, &[0x13; 32], 32);
        elf.load(base + 0x2000, R | W, b"data", 0x1800);
        elf.add(STACK, R | W);
        elf.entry = elf.headers[1].address + 4;
        elf
    }

    pub(crate) fn fixed() -> Self {
        Self::usual(2)
    }

    pub(crate) fn pie() -> Self {
        Self::usual(3)
    }

    /// A header of any kind, all zeros but its flags.
    pub(crate) fn add(&mut self, kind: u32, flags: u32) -> &mut Header {
        let header = Header { kind, flags, offset: 0, address: 0, file_size: 0, size: 0, align: 0 };
        self.headers.push(header);
        self.headers.last_mut().expect("just pushed")
    }

    /// A header and its bytes, on the page at `page`, wherever in it the
    /// bytes' place in the file puts them.
    pub(crate) fn load(&mut self, page: u64, flags: u32, bytes: &[u8], size: u64) -> &mut Header {
        let offset = BODY + self.body.len() as u64;
        self.body.extend(bytes);
        let padded = self.body.len().next_multiple_of(8);
        self.body.resize(padded, 0);
        let header = self.add(LOAD, flags);
        header.offset = offset;
        header.address = page + offset % 0x1000;
        header.file_size = bytes.len() as u64;
        header.size = size;
        header.align = 0x1000;
        header
    }

    /// A dynamic table.
    pub(crate) fn dynamic(&mut self, entries: &[(u64, u64)]) -> &mut Header {
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()])
            .flatten()
            .collect();
        let header = self.load(0, R | W, &bytes, bytes.len() as u64);
        header.kind = DYNAMIC;
        header
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = self.ident.to_vec();
        let count = u16::try_from(self.headers.len()).expect("few headers");
        file.extend(self.kind.to_le_bytes());
        file.extend(self.machine.to_le_bytes());
        file.extend(self.version.to_le_bytes());
        file.extend(self.entry.to_le_bytes());
        file.extend(self.table.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        file.extend(self.flags.to_le_bytes());
        for half in [64, self.entry_size, self.count.unwrap_or(count), 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for header in &self.headers {
            file.extend(header.kind.to_le_bytes());
            file.extend(header.flags.to_le_bytes());
            let Header { offset, address, file_size, size, align, .. } = *header;
            for word in [offset, address, address, file_size, size, align] {
                file.extend(word.to_le_bytes());
            }
        }
        let body = usize::try_from(BODY).expect("small");
        file.resize(file.len().max(body), 0);
        file.extend(&self.body);
        file
    }
}

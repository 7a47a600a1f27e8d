// SPDX-License-Identifier: Apache-2.0
//! Structures of words, declared once: the type with its layout, which is
//! checked as it is compiled, and the ways from words and to words.

/// Something of a structure: one word or more.
pub(super) trait Words: Sized {
    /// Takes its words from the front of `words`.
    fn take(words: &mut impl Iterator<Item = u64>) -> Self;
    /// Gives its words to `put`, in order.
    fn give(self, put: &mut impl FnMut(u64));
}

impl Words for u64 {
    #[inline]
    fn take(words: &mut impl Iterator<Item = u64>) -> Self {
        words.next().unwrap_or_default()
    }

    #[inline]
    fn give(self, put: &mut impl FnMut(u64)) {
        put(self);
    }
}

impl Words for i64 {
    #[inline]
    fn take(words: &mut impl Iterator<Item = u64>) -> Self {
        u64::take(words).cast_signed()
    }

    #[inline]
    fn give(self, put: &mut impl FnMut(u64)) {
        self.cast_unsigned().give(put);
    }
}

/// Declares structures: `struct Name: SIZE { field: Type = OFFSET, … }`, in
/// bytes.
macro_rules! structures {
    ($(
        $(#[$about:meta])*
        struct $name:ident: $size:literal {
            $($(#[$doc:meta])* $field:ident: $kind:ty = $offset:literal,)*
        }
    )*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)*
        }

        const _: () = assert!(size_of::<$name>() == $size);
        // No byte of it lies between the fields.
        const _: () = assert!(0 $(+ size_of::<$kind>())* == $size);
        $(const _: () = assert!(core::mem::offset_of!($name, $field) == $offset);)*

        impl $name {
            /// Words that it takes in memory.
            pub const WORDS: usize = $size / 8;

            /// What those words say.
            #[inline]
            #[must_use]
            pub fn from_words(words: [u64; Self::WORDS]) -> Self {
                Self::take(&mut words.into_iter())
            }

            /// As it lies in memory.
            #[inline]
            #[must_use]
            pub fn to_words(self) -> [u64; Self::WORDS] {
                let mut words = [0; Self::WORDS];
                let mut places = words.iter_mut();
                self.give(&mut |word| places.next().into_iter().for_each(|place| *place = word));
                words
            }
        }

        impl Words for $name {
            #[inline]
            fn take(words: &mut impl Iterator<Item = u64>) -> Self {
                // In the order in which they are written here, which is the
                // order in memory: the offsets are checked.
                Self { $($field: Words::take(words),)* }
            }

            #[inline]
            fn give(self, put: &mut impl FnMut(u64)) {
                $(self.$field.give(put);)*
            }
        }
    )*};
}

pub(super) use structures;

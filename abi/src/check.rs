// SPDX-License-Identifier: Apache-2.0
//! What programs check of the kernel and the host is told by name when it does
//! not hold.

/// Declares the checks once: the enum, the names, and the way back from a
/// number.
macro_rules! checks {
    ($($name:ident = $number:literal, $words:literal;)*) => {
        /// A check with a name. Its number is not 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        pub enum Check {
            $(#[doc = $words] $name = $number,)*
        }

        impl Check {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What should have held.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }

            /// The check of that number.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

checks! {
    StaleChid = 1, "ids-never-alias: the chid of a destroyed channel is refused";
    ChannelCounts = 2, "the kernel counts the channels that the program created and destroyed";
    FreshMemory = 3, "memory that a program is given is zero";
    Unmapped = 4, "memory that was given back is out of reach on every hart";
    Refused = 5, "each way to take everything is refused";
    FairShare = 6, "a family leaves its neighbours their share of a hart";
    NothingLeft = 7, "a call that fails for want of memory leaves nothing behind";
    RoomBack = 8, "what dead families had can be had again";
    MessageWhole = 32, "a message arrives as it was sent, and an answer as it was given";
    BytesAround = 33, "no byte around a message's place is touched";
    InOrder = 34, "a client's messages arrive in its order, each once";
    InfoRight = 35, "a server is told who has sent a message";
    Inherits = 36, "a server has its client's priority while it serves it";
    CountsAgree = 37, "clients, servers and the kernel count the same messages";
    ResultAllowed = 38, "a call ends with a result that is allowed";
    CallEnds = 39, "every call ends, and every process that is to end";
    GoesOnBeside = 40, "chanstorm goes on beside ipcstorm";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_checks() {
        for &check in Check::ALL {
            assert_eq!(Check::from_number(check as u64), Some(check));
        }
        assert_eq!(Check::from_number(0), None);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The named bugs that this kernel was built with: none, unless somebody wants
//! to see the harness catch one (`cargo xtask mutants`, docs/races.md).

/// A mark for each bug or delay. The host looks for these in a kernel's file.
pub(crate) const BUILT_IN: &[&str] = &[
    #[cfg(feature = "bug-runq-unmasked")]
    "skimmer-bug:runq-unmasked",
    #[cfg(feature = "bug-switch-window")]
    "skimmer-bug:switch-window",
    #[cfg(feature = "bug-crit-switch")]
    "skimmer-bug:crit-switch",
    #[cfg(feature = "delay-lost-doorbell")]
    "skimmer-delay:lost-doorbell",
    #[cfg(feature = "bug-lost-doorbell")]
    "skimmer-bug:lost-doorbell",
    #[cfg(feature = "bug-wake-foreign")]
    "skimmer-bug:wake-foreign",
    #[cfg(feature = "bug-hot-print")]
    "skimmer-bug:hot-print",
    #[cfg(feature = "bug-bss-args")]
    "skimmer-bug:bss-args",
    #[cfg(feature = "bug-stale-message")]
    "skimmer-bug:stale-message",
    #[cfg(feature = "bug-sret-sie")]
    "skimmer-bug:sret-sie",
    #[cfg(feature = "bug-stack-stomp")]
    "skimmer-bug:stack-stomp",
    #[cfg(feature = "bug-chid-generation")]
    "skimmer-bug:chid-generation",
    #[cfg(feature = "bug-leak-channel")]
    "skimmer-bug:leak-channel",
    #[cfg(feature = "bug-leak-process")]
    "skimmer-bug:leak-process",
    #[cfg(feature = "bug-shootdown")]
    "skimmer-bug:shootdown",
    #[cfg(feature = "bug-frame-dirty")]
    "skimmer-bug:frame-dirty",
    #[cfg(feature = "bug-sscratch")]
    "skimmer-bug:sscratch",
    #[cfg(feature = "bug-kill-entry")]
    "skimmer-bug:kill-entry",
    #[cfg(feature = "bug-irq-two-harts")]
    "skimmer-bug:irq-two-harts",
    #[cfg(feature = "bug-dear-call")]
    "skimmer-bug:dear-call",
    #[cfg(feature = "bug-reply-twice")]
    "skimmer-bug:reply-twice",
    #[cfg(feature = "bug-rcvid-foreign")]
    "skimmer-bug:rcvid-foreign",
    #[cfg(feature = "bug-inherit-stuck")]
    "skimmer-bug:inherit-stuck",
    #[cfg(feature = "delay-unlock-early")]
    "skimmer-delay:unlock-early",
    #[cfg(feature = "bug-unlock-early")]
    "skimmer-bug:unlock-early",
    #[cfg(feature = "bug-destroy-sleeper")]
    "skimmer-bug:destroy-sleeper",
    #[cfg(feature = "bug-replace-window")]
    "skimmer-bug:replace-window",
    #[cfg(feature = "shortage")]
    "skimmer-shortage:refuses memory",
];

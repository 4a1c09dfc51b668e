//! Stands in for `getrandom`, which as WebAssembly would import JavaScript and export the 1,500
//! functions of its bindings.
//!
//! The host has no use for entropy: its generators are seeded by the network. Whoever asks gets an
//! error, natively too, so that both builds behave alike.

#![no_std]

use core::{fmt, num::NonZeroU32};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Error(NonZeroU32);

impl Error {
    /// The code that getrandom has for a target it does not support.
    pub const UNSUPPORTED: Error = Error(NonZeroU32::MIN.saturating_add(Self::INTERNAL_START - 1));
    pub const INTERNAL_START: u32 = 1 << 31;
    pub const CUSTOM_START: u32 = (1 << 31) + (1 << 30);

    pub const fn code(self) -> NonZeroU32 {
        self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no source of entropy (code {})", self.0)
    }
}

impl core::error::Error for Error {}

impl From<NonZeroU32> for Error {
    fn from(code: NonZeroU32) -> Self {
        Error(code)
    }
}

pub fn getrandom(_destination: &mut [u8]) -> Result<(), Error> {
    Err(Error::UNSUPPORTED)
}

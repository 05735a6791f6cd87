//! The token that our own servers ask for.

use std::fs::File;
use std::io::Read;

use crate::{Error, Result};

/// Returns a new random token of one run: our servers answer only calls that bear it.
///
/// # Errors
/// [`Error::Io`] when `/dev/urandom` cannot be read.
pub fn token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    let source = "/dev/urandom";
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Error::io("read", source))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

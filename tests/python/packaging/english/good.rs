//! A link between two services, written `told` in code.
//!
//! # Use
//! Which of them is used depends on the settings.

/// Returns true if the link is up. How that is known is private.
pub fn is_none<'a>(told: &'a str) -> bool {
    let quote = '"'; // `is none`, `tells of`
    let escaped = '\'';
    told.starts_with(quote) || told.ends_with(escaped)
}

// What follows is an ordinary comment.
#[derive(clap::Parser)]
#[command(about = "List the links; Somebody soldered, untold fortunes")]
struct Args {
    file: String,
    source: &'static str, // = "value is None"
}

//! What this file holds.
//!
//! # How it is used

/// Whether a link is up.
pub fn is_up(told: bool) -> bool {
    // A link that is
    // none of ours.
    told
}

/* The user was told. */

#[derive(clap::Parser)]
#[command(about = "Which links there are", long_about = r#"So many links"#)]
struct Args {
    /// The file that tells of the links.
    file: String,
}

fn complain(c: char) -> String {
    let quote = '"';
    format!("{c}{quote}: the glob is \
             none: 'tell of' {}", r#"a "raw" text, as told"#)
}

//! Shortens names and paths in the middle, where they say least.

/// The fewest characters that a word of a name is shortened to.
///
/// Chosen: most of the last part of a path.
const LEAST_OF_NAME: usize = 8;
/// The fewest characters that a word of a sentence is shortened to.
///
/// Chosen: the name of a file with its line, or of a function with its module.
const LEAST_OF_SENTENCE: usize = 24;

/// The most words of a name, as in `3 × GET /items/{item}`; more are a sentence.
const WORDS_OF_NAME: usize = 5;

/// The most characters of the last part of a path or dotted name that stays whole in a table.
///
/// Chosen: most names of functions and files are shorter.
const LONGEST_PART: usize = 28;

/// Returns the number of characters of a text.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

/// Returns a name of at most `width` characters, as of an endpoint. Its longest words are shortened in the middle.
pub(crate) fn shorten(name: &str, width: usize) -> String {
    shorten_words(name, width, |_| LEAST_OF_NAME)
}

/// Returns a sentence of at most `width` characters. Its longest words are shortened in the middle, and the end is cut where
/// that is not enough.
pub(crate) fn shorten_sentence(sentence: &str, width: usize) -> String {
    shorten_words(sentence, width, |word| legible(word).max(LEAST_OF_SENTENCE))
}

/// Shortens the longest words, none below its least length.
fn shorten_words(text: &str, width: usize, least: impl Fn(&str) -> usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let words: Vec<&str> = text.split(' ').collect();
    let room = |word: &str, most: usize| most.max(least(word));
    let total =
        |most: usize| words.iter().map(|word| length(word).min(room(word, most))).sum::<usize>() + words.len() - 1;
    let longest = words.iter().map(|word| length(word)).max().unwrap_or(0);
    let most = (0..longest).rev().find(|most| total(*most) <= width).unwrap_or(0);
    let shorter: Vec<String> = words.iter().map(|word| shorten_word(word, room(word, most))).collect();
    cut(&shorter.join(" "), width)
}

/// Returns the texts of a column, of at most `width` characters each where that leaves them legible. A word is shortened
/// alike in all of them, words that differ still differ, and the last part of a path or dotted name stays whole. The end of
/// a sentence is cut.
pub(crate) fn shorten_column(texts: &[&str], width: usize) -> Vec<String> {
    let is_sentence = |text: &str| text.split(' ').count() > WORDS_OF_NAME;
    let names = || texts.iter().filter(|text| !is_sentence(text));
    let mut words: Vec<&str> = names().flat_map(|text| text.split(' ')).collect();
    words.sort_unstable();
    words.dedup();
    let longest = words.iter().map(|word| length(word)).max().unwrap_or(0);
    let shortened = |text: &str, most: usize| {
        let words = text.split(' ').map(|word| shorten_word(word, most.max(legible(word))));
        words.collect::<Vec<_>>().join(" ")
    };
    let fits = |most: &usize| names().all(|text| length(&shortened(text, *most)) <= width);
    let is_distinct = |most: &usize| {
        let mut shorter: Vec<String> = words.iter().map(|word| shortened(word, *most)).collect();
        shorter.sort_unstable();
        shorter.dedup();
        shorter.len() == words.len()
    };
    let least = LEAST_OF_NAME.min(longest);
    let most = (least..=longest).rev().find(fits).unwrap_or(least);
    let most = (most..longest).find(is_distinct).unwrap_or(longest);
    let shorter = |text: &&str| if is_sentence(text) { shorten(text, width) } else { shortened(text, most) };
    texts.iter().map(shorter).collect()
}

/// Returns the length at which a word is still legible: that of its last part, unless this is long itself.
fn legible(word: &str) -> usize {
    let last = separators(word).last().map_or(length(word), |at| length(&word[at..]) + 1);
    if last <= LONGEST_PART { last } else { 0 }
}

/// Returns the positions of the separators in a path or dotted name.
fn separators(word: &str) -> impl DoubleEndedIterator<Item = usize> + Clone {
    // The dots and colons of a path belong to the names of files.
    let is_path = word.contains('/');
    let is_separator = move |c: char| if is_path { c == '/' } else { c == '.' || c == ':' };
    word.char_indices().filter(move |(_, c)| is_separator(*c)).map(|(at, _)| at)
}

/// Returns the smallest width from `width` upwards at which texts that differ still differ when they are shortened.
pub(crate) fn distinct_width<'a>(texts: impl Iterator<Item = &'a str>, width: usize) -> usize {
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    let longest = texts.iter().map(|text| length(text)).max().unwrap_or(0);
    let is_distinct = |width: &usize| {
        let mut shorter: Vec<String> = texts.iter().map(|text| shorten(text, *width)).collect();
        shorter.sort_unstable();
        shorter.dedup();
        shorter.len() == texts.len()
    };
    (width..longest).find(is_distinct).unwrap_or(width.max(longest))
}

/// Returns at most `width` characters, with `…` in place of the end.
fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Returns a word of at most `width` characters, with `…` in place of parts in the middle. The parts of paths and dotted
/// names stay whole where possible, those at the end first: what names have in common is usually at their beginning.
fn shorten_word(word: &str, width: usize) -> String {
    let room = width.saturating_sub(1);
    if length(word) <= width {
        return word.to_owned();
    }
    let mut ends = separators(word).map(|at| &word[at..]);
    let mut starts = separators(word).map(|at| &word[..=at]);
    if let Some(end) = ends.find(|end| length(end) <= room && length(end) > 1) {
        let start = starts.rfind(|start| length(start) + length(end) <= room).unwrap_or_default();
        return format!("{start}…{end}");
    }
    let tail = room - room / 3;
    let skipped = length(word) - tail;
    word.chars().take(room / 3).chain(['…']).chain(word.chars().skip(skipped)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, width: usize, expected: &str) {
        assert_eq!(shorten(text, width), expected);
        assert!(length(expected) <= width, "{}", length(expected));
    }

    #[test]
    fn names_are_shortened_in_the_middle() {
        check("GET /items", 10, "GET /items");
        check("GET /api/v1/organizations/{organization}/projects/{id}", 30, "GET /api/v1/…/projects/{id}");
        check("library.catalogue.orders → library.catalogue.pricing", 37, "library.….orders → library.….pricing");
        check("a_function_with_a_name_that_never_ends", 20, "a_func…at_never_ends");
        check("one two three four five six seven", 12, "one two thr…");
        let site = "shop.pricing:quote at shop/orders/service.py:88, blocks the loop";
        assert_eq!(shorten_sentence(site, 60), "shop.pricing:quote at …/orders/service.py:88, blocks the lo…");
        assert_eq!(shorten_sentence(site, 40), "shop.pricing:quote at …/orders/service.…");
        let long = "2 × company.services.billing:find_invoices_of_customer at company/web/application.py:11, GET /";
        assert_eq!(shorten_sentence(long, 60), "2 × …:find_invoices_of_customer at …/web/application.py:11,…");
    }

    #[test]
    fn columns_are_shortened_alike() {
        let texts = [
            "company.services.billing.invoices.repository → company.web",
            "company.web → company.services.billing.accounts.repository",
            "company.services.billing.invoices.repository:find_invoices_of_customer",
        ];
        let expected = [
            "….invoices.repository → company.web",
            "company.web → ….accounts.repository",
            "…:find_invoices_of_customer",
        ];
        assert_eq!(shorten_column(&texts, 20), expected);
        assert_eq!(shorten_column(&texts, 100), texts);
        assert_eq!(
            shorten_column(&["arguments.callback (function)", "web/application.py:10", ""], 16),
            ["….callback (function)", "…/application.py:10", ""]
        );
    }

    #[test]
    fn sentences_in_columns_are_cut() {
        assert_eq!(
            shorten_column(&["SELECT id, name, price FROM products", "a.b"], 20),
            ["SELECT id, name, pr…", "a.b"]
        );
    }

    #[test]
    fn shortened_names_stay_distinct() {
        let names = ["GET /a/organizations/{id}/members/{member}", "GET /b/organizations/{id}/members/{member}"];
        let width = distinct_width(names.into_iter(), 24);
        assert_ne!(shorten(names[0], width), shorten(names[1], width));
        assert_eq!(distinct_width(["GET /", "GET /"].into_iter(), 3), 3);
    }
}

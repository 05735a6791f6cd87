//! The form of numbers in text, in the terminal and on the page: three significant digits, commas between thousands.

/// Significant digits of a written number.
///
/// Chosen: no interval here is narrower than a part in a thousand, so a fourth digit would be noise.
const DIGITS: i32 = 3;

/// Three significant digits; whole numbers from a thousand on; a dash for what is not a number.
///
/// ```
/// use splitcost_model::number::number;
/// assert_eq!(number(74.149), "74.1");
/// assert_eq!(number(0.012_34), "0.0123");
/// assert_eq!(number(12_345.6), "12,346");
/// assert_eq!(number(f64::NAN), "–");
/// ```
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    // Round first: 9.999 has the decimals of 10, not those of 9.
    let rounded: f64 = format!("{value:.*e}", DIGITS as usize - 1).parse().unwrap_or(value);
    if rounded == 0.0 {
        return "0".to_owned();
    }
    let decimals = (DIGITS - 1 - rounded.abs().log10().floor() as i32).clamp(0, 6) as usize;
    group(&format!("{value:.decimals$}"))
}

/// Like [`number`], without zeros behind the point: for counts per request, which are often whole.
///
/// ```
/// use splitcost_model::number::short;
/// assert_eq!(short(23.0), "23");
/// assert_eq!(short(2.50), "2.5");
/// ```
pub fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A whole number, thousands apart.
pub fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A factor, as `6.1×`: two significant digits are enough for one.
///
/// ```
/// use splitcost_model::number::factor;
/// assert_eq!(factor(6.129), "6.1×");
/// assert_eq!(factor(0.979), "0.98×");
/// assert_eq!(factor(61.29), "61×");
/// ```
pub fn factor(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let decimals = if value >= 9.95 {
        0
    } else if value >= 0.995 {
        1
    } else {
        2
    };
    format!("{}×", group(&format!("{value:.decimals$}")))
}

/// Bytes in the unit that suits them: the number by which to multiply, and the unit's name.
pub fn byte_unit(bytes: f64) -> (f64, &'static str) {
    if bytes.abs() >= 1e6 {
        (1e-6, "MB")
    } else if bytes.abs() >= 1e3 {
        (1e-3, "kB")
    } else {
        (1.0, "B")
    }
}

/// Puts commas between thousands.
fn group(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |dot| rest.split_at(dot));
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

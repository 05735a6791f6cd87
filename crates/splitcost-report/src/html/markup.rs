//! Pieces of HTML that every part of the page uses: escaped text, marks of origin, and cells that hold a number.

use splitcost_model::statistics::Interval;

use splitcost_model::number::{count, factor, number, short};

/// Where a number comes from, shown beside it.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Measured,
    Simulated,
    Assumed,
}

impl Mark {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Simulated => "simulated",
            Self::Assumed => "assumed",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Measured => "●",
            Self::Simulated => "○",
            Self::Assumed => "◇",
        }
    }

    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Measured => "Seen in the recording, the calibration or the rehearsal on the machine named here.",
            Self::Simulated => {
                "Predicted from the recorded requests and the calibrated cost of a call; the interval comes from resampled runs, and is widened by the errors of earlier predictions on this machine, if there were any."
            }
            Self::Assumed => {
                "Taken from the configuration: prices, and what the link adds. Money is cores times such a price."
            }
        }
    }

    /// The symbol alone, with its word for those who hear the page.
    pub(super) fn glyph(self) -> String {
        format!(
            "<span class=\"mark {0}\" role=\"img\" aria-label=\"{0}\" title=\"{0}\">{1}</span>",
            self.name(),
            self.symbol()
        )
    }

    /// The symbol and the word.
    pub(super) fn tag(self) -> String {
        format!("<span class=\"tag {0}\">{1} {0}</span>", self.name(), self.symbol())
    }
}

/// Text made safe for elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Like [`escape`], with places where a long name or path may break over two lines.
pub(super) fn breakable(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(['/', ':', '.', '_']) {
        out += &escape(part);
        out += "<wbr>";
    }
    out
}

/// The page so far.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Appends markup as it is.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn value(&mut self, path: &str, value: &str, scale: f64, shown: &str) {
        let scale = if (scale - 1.0).abs() > f64::EPSILON { format!(" data-scale=\"{scale}\"") } else { String::new() };
        let path = escape(path);
        self.raw(&format!("<span data-path=\"{path}\" data-value=\"{value}\"{scale}>{shown}</span>"));
    }

    /// A number of the study, multiplied by `scale`.
    pub(super) fn number(&mut self, path: &str, value: f64, scale: f64) {
        self.value(path, &value.to_string(), scale, &number(value * scale));
    }

    /// A factor, as `6.1×`.
    pub(super) fn factor(&mut self, path: &str, value: f64) {
        self.value(path, &value.to_string(), 1.0, &factor(value));
    }

    /// A number that may be absent, with the words for its absence.
    pub(super) fn optional(&mut self, path: &str, value: Option<f64>, absent: &str) {
        match value {
            Some(value) => self.number(path, value, 1.0),
            None => self.raw(absent),
        }
    }

    /// The length of a list of the document.
    pub(super) fn length(&mut self, path: &str, length: usize) {
        let shown = count(length as u64);
        self.raw(&format!("<span data-path=\"{}\" data-length=\"{length}\">{shown}</span>", escape(path)));
    }

    /// A dash, for a number that the document does not hold.
    pub(super) fn nothing(&mut self) {
        self.raw("<span class=\"none\">–</span>");
    }

    /// A count per request, without zeros behind the point.
    pub(super) fn short(&mut self, path: &str, value: f64, scale: f64) {
        self.value(path, &value.to_string(), scale, &short(value * scale));
    }

    /// A whole number of the evaluation.
    pub(super) fn count(&mut self, path: &str, value: u64) {
        self.value(path, &value.to_string(), 1.0, &count(value));
    }

    /// A ratio with its interval; a dash if it is absent.
    pub(super) fn ratio(&mut self, path: &str, ratio: Option<Interval>) {
        let Some(ratio) = ratio else { return self.nothing() };
        self.number(&format!("{path}/value"), ratio.value, 1.0);
        self.raw("× <small>");
        self.number(&format!("{path}/low"), ratio.low, 1.0);
        self.raw("–");
        self.number(&format!("{path}/high"), ratio.high, 1.0);
        self.raw("</small>");
    }

    /// A value above its interval; a dash if it is absent.
    pub(super) fn interval(&mut self, path: &str, interval: Option<Interval>, scale: f64) {
        let Some(interval) = interval else {
            self.raw("<span class=\"none\">–</span>");
            return;
        };
        self.number(&format!("{path}/value"), interval.value, scale);
        self.raw(" <small>");
        self.number(&format!("{path}/low"), interval.low, scale);
        self.raw("–");
        self.number(&format!("{path}/high"), interval.high, scale);
        self.raw("</small>");
    }
}

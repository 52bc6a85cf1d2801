//! Prices as shops write them, as exact minor units.
//!
//! In: `"12.345000"`, and the tax to add when a shop keeps its prices without. Out: minor units of the currency.
//! Never: goes through floating point.

/// How many digits a currency has after the point.
pub fn exponent(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV" | "XAF" | "XOF"
        | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Reads a decimal number with a point into millionths; more than six decimals are dropped.
pub fn micros(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && decimals.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let decimals: i64 = format!("{decimals:0<6}")[..6].parse().ok()?;
    let micros = whole.checked_mul(1_000_000)?.checked_add(decimals)?;
    Some(if negative { -micros } else { micros })
}

/// The minor units of a decimal number, with so many millionths of a percent of tax added, rounded half away from zero.
pub fn minor(text: &str, currency: &str, tax_percent_micros: i64) -> Option<i64> {
    let micros = i128::from(micros(text)?);
    let factor = i128::from(tax_percent_micros) + 100_000_000;
    // millionths × (percent + 100, in millionths) ÷ 100 ÷ 10^6 = millionths with tax; then to minor units.
    let scale = 100_000_000 * 10_i128.pow(6 - exponent(currency));
    let product = micros * factor;
    let rounded = (product.abs() + scale / 2) / scale;
    i64::try_from(if product < 0 { -rounded } else { rounded }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_minor_units() {
        assert_eq!(minor("12.345000", "EUR", 0), Some(1235));
        assert_eq!(minor("12", "EUR", 0), Some(1200));
        assert_eq!(minor(".5", "EUR", 0), Some(50));
        assert_eq!(minor("-1.005", "EUR", 0), Some(-101));
        assert_eq!(minor("1500", "JPY", 0), Some(1500));
        assert_eq!(minor("1.2345", "TND", 0), Some(1235));
    }

    #[test]
    fn tax_is_added_exactly() {
        assert_eq!(minor("10.00", "EUR", 20_000_000), Some(1200));
        assert_eq!(minor("8.341232", "EUR", 5_500_000), Some(880));
        assert_eq!(minor("0.10", "EUR", 5_500_000), Some(11));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "12,50", "1e3", "abc", "99999999999999999999", "€5", "--1", "é"] {
            assert_eq!(minor(text, "EUR", 0), None, "{text}");
        }
    }
}

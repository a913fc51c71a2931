//! Origins as browsers send them, for comparison with a request's.

/// An origin in the form in which browsers send it: without a slash at the end, in small letters, without its scheme's own
/// port. `None` if no browser could send it.
pub(super) fn normal(text: &str) -> Option<String> {
    // `null` is what a page without an origin sends, and `*` is what CORS accepts for all.
    if matches!(text, "null" | "*") {
        return Some(text.to_owned());
    }
    let (scheme, host) = text.strip_suffix('/').unwrap_or(text).split_once("://")?;
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let (name, port) = name_and_port(&host);
    let own_port = match scheme.as_str() {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    };
    let port = port.filter(|port| own_port != Some(port)).map(|port| format!(":{port}")).unwrap_or_default();
    (!scheme.is_empty() && is_name(name)).then(|| format!("{scheme}://{name}{port}"))
}

/// The name or address of a host, and the port behind it.
fn name_and_port(host: &str) -> (&str, Option<&str>) {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':').filter(|(_, port)| is_port(port)) {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    }
}

fn is_name(host: &str) -> bool {
    let is_ipv6 = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (is_ipv6 || !host.contains(':')) && !host.contains(['/', '?', '#', '@', ' ', ','])
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn what_browsers_write_otherwise_is_brought_into_their_form() {
        for (text, form) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("HTTPS://A.example:443", "https://a.example"),
            ("http://a.example:80/", "http://a.example"),
            ("http://a.example:8080", "http://a.example:8080"),
            ("https://[::1]:3000", "https://[::1]:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("null", "null"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(form));
        }
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for text in ["", "a.example", "https://", "https:///", "https://a.example/page", "https://me@a.example"] {
            assert_eq!(normal(text), None, "{text}");
        }
        for text in ["http://a.example:80:80", "http://a.example:", "http://a.example:port", "http://::1"] {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}

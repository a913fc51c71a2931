//! The session cookie, for load balancers that need one.

use std::time::Duration;

use super::field::{is_token, is_value};

/// Whether a cookie is sent with requests that other sites cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only when the user follows a link.
    Lax,
    /// Always. Browsers demand `secure` with it.
    None,
}

/// A cookie that holds the session id, set with the answer to a polling handshake.
///
/// The server never reads it. Load balancers use it to keep a client on one instance. A cookie is not set if its name
/// is not a token, or if its path or domain could end it early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    path: Option<String>,
    domain: Option<String>,
    max_age: Option<Duration>,
    http_only: bool,
    secure: bool,
    same_site: Option<SameSite>,
}

impl Default for Cookie {
    /// `io=<sid>; Path=/; HttpOnly; SameSite=Lax`.
    fn default() -> Self {
        Self::new("io")
    }
}

impl Cookie {
    /// A cookie called `name` for the path `/`, hidden from scripts, `SameSite=Lax`, which ends with the browser's
    /// session.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: Some("/".to_owned()),
            domain: None,
            max_age: None,
            http_only: true,
            secure: false,
            same_site: Some(SameSite::Lax),
        }
    }

    /// The path it is sent for; `None` leaves it to the browser. Default: `/`.
    pub fn path(mut self, path: Option<String>) -> Self {
        self.path = path;
        self
    }

    /// The domain it is sent to. Default: only the host that set it.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// How long it lives, in whole seconds. Default: until the browser ends.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Whether scripts cannot see it. Default: yes.
    pub fn http_only(mut self, hidden: bool) -> Self {
        self.http_only = hidden;
        self
    }

    /// Whether it is sent over HTTPS only. Default: no.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether it is sent with requests of other sites; `None` leaves this to the browser. Default: [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: Option<SameSite>) -> Self {
        self.same_site = same_site;
        self
    }

    /// The value of `Set-Cookie` for a session.
    pub(crate) fn render(&self, sid: &str) -> Option<String> {
        let sound = |text: &String| text.bytes().all(|byte| is_value(byte) && byte != b';');
        let token = !self.name.is_empty() && self.name.bytes().all(is_token);
        if !token || !self.path.iter().chain(&self.domain).all(sound) {
            return None;
        }
        let mut cookie = format!("{}={sid}", self.name);
        if let Some(age) = self.max_age {
            cookie += &format!("; Max-Age={}", age.as_secs());
        }
        for (attribute, value) in [("; Domain=", &self.domain), ("; Path=", &self.path)] {
            if let Some(value) = value {
                cookie += attribute;
                cookie += value;
            }
        }
        if self.http_only {
            cookie += "; HttpOnly";
        }
        if self.secure {
            cookie += "; Secure";
        }
        cookie += match self.same_site {
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
            None => "",
        };
        Some(cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_would_end_the_cookie_forbids_it() {
        let forged = "x\r\nSet-Cookie: a";
        for cookie in [
            Cookie::new(forged),
            Cookie::new(""),
            Cookie::default().domain("a; Secure"),
            Cookie::default().path(Some(forged.into())),
        ] {
            assert_eq!(cookie.render("sid"), None);
        }
    }

    #[test]
    fn a_cookie_has_its_attributes_in_order() {
        let cookie = Cookie::new("a")
            .max_age(Duration::from_secs(1))
            .domain("d.test")
            .secure(true)
            .same_site(Some(SameSite::Strict));
        assert_eq!(
            cookie.render("sid").as_deref(),
            Some("a=sid; Max-Age=1; Domain=d.test; Path=/; HttpOnly; Secure; SameSite=Strict")
        );
        let bare = Cookie::new("a").path(None).http_only(false).same_site(None);
        assert_eq!(bare.render("sid").as_deref(), Some("a=sid"));
    }
}

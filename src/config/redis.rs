//! Where Redis is: the address, and the variables that may contain it. A password is never shown, not even that of a
//! refused address.

use std::fmt;
use std::str::FromStr;

use super::parse::Expected;

/// Stands in an error in place of an address, because a malformed one may contain a password anywhere.
pub(super) const NOT_SHOWN: &str = "(not shown)";

const DEFAULT_PORT: u16 = 6379;

/// The format of a log-in.
const LOGIN: Expected = "user:password@ or :password@ before the host";

/// A Redis server and how to log in to it.
///
/// ```
/// use kinglet::{Config, RedisServer};
///
/// let redis: RedisServer = "rediss://default:secret@redis.example:6380/0".parse()?;
/// assert_eq!(redis.to_string(), "rediss://redis.example:6380/0");
/// let config = Config { redis: Some(redis), ..Config::default() };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// Name or IP address, without brackets. A name is resolved again for each connection.
    pub host: String,
    /// Port, 6379 by default.
    pub port: u16,
    /// Whether connections are encrypted.
    pub security: RedisSecurity,
    /// User of Redis's access control lists. Default `None`: the user `default`.
    pub user: Option<String>,
    /// The user's password. Default `None`: no log-in.
    pub password: Option<Password>,
    /// Database, 0 by default. (Messages reach subscribers of all databases.)
    pub database: u32,
}

/// Whether connections to Redis are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisSecurity {
    /// Plain TCP, `redis://`.
    Plain,
    /// TLS, `rediss://`: the server's certificate must be valid for its host, by the roots that browsers trust or by those
    /// of [`Config::redis_ca`](super::Config::redis_ca).
    Tls,
}

/// A password. Formatting does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Why an address was refused. Its text says what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct RedisServerError(Expected);

impl RedisServer {
    /// A server without log-in, database 0.
    pub fn new(host: impl Into<String>, port: u16, security: RedisSecurity) -> Self {
        Self { host: host.into(), port, security, user: None, password: None, database: 0 }
    }
}

/// Its address, without user and password.
impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            RedisSecurity::Plain => "redis",
            RedisSecurity::Tls => "rediss",
        };
        let Self { host, port, database, .. } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}/{database}")
        } else {
            write!(f, "{scheme}://{host}:{port}/{database}")
        }
    }
}

/// `redis://` or `rediss://`, then `user:password@` or `:password@` if there is a log-in, the host, `:port` and
/// `/database`. In user and password `%` and two hexadecimal digits may stand for a byte. They end at the last `@`, so
/// other characters need no such form.
///
/// A query may contain `db`, `username` and `password` if they are not before it. Other keys that clients use there
/// (`family`, `protocol` and so on) are ignored, with a warning in the log, unless they ask for the default.
impl FromStr for RedisServer {
    type Err = RedisServerError;

    fn from_str(text: &str) -> Result<Self, RedisServerError> {
        parse(text.trim()).map_err(RedisServerError)
    }
}

fn parse(text: &str) -> Result<RedisServer, Expected> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let security = match scheme.to_ascii_lowercase().as_str() {
        "redis" => RedisSecurity::Plain,
        "rediss" => RedisSecurity::Tls,
        _ => return Err("redis:// or, for TLS, rediss:// at the beginning, such as redis://user:password@host:6379/0"),
    };
    let (login, address) = rest.rsplit_once('@').map_or((None, rest), |(login, address)| (Some(login), address));
    let (user, password) = login.map(parse_login).transpose()?.unwrap_or_default();
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let (place, database) = address.split_once('/').unwrap_or((address, ""));
    let database = match database {
        "" => None,
        number => Some(number.parse().map_err(|_| "only a database number after the host's slash, such as /0")?),
    };
    let query = Query::parse(query, security)?;
    let (user, password) = (user.or(query.user), password.or(query.password));
    if user.is_some() && password.is_none() {
        return Err(LOGIN);
    }
    if let (Some(before), Some(asked)) = (database, query.database)
        && before != asked
    {
        log::warn!("the address of Redis names database {before} before its query and {asked} in it; {before} is used");
    }
    let database = database.or(query.database).unwrap_or_default();
    let (host, port) = parse_place(place)?;
    Ok(RedisServer { host, port, security, user, password, database })
}

/// The settings in a query.
#[derive(Default)]
struct Query {
    user: Option<String>,
    password: Option<Password>,
    database: Option<u32>,
}

impl Query {
    fn parse(text: &str, security: RedisSecurity) -> Result<Self, Expected> {
        let mut query = Self::default();
        for member in text.split('&').filter(|member| !member.is_empty()) {
            match member.split_once('=') {
                Some(("db", number)) => {
                    query.database = Some(number.parse().map_err(|_| "a database number for db, such as ?db=1")?);
                }
                Some(("username", user)) => query.user = some(user)?,
                Some(("password", password)) => query.password = some(password)?.map(Password),
                // The protocol that is spoken, and addresses of either family.
                Some(("protocol", "2") | ("family", "0")) => {}
                // Other clients encrypt because of this key; here the password would be sent in the clear unnoticed.
                Some((name @ ("tls" | "ssl"), _)) if security == RedisSecurity::Plain => {
                    log::warn!(
                        "{name:?} in the query of Redis's address has no effect, and the connection is not encrypted: for \
                         TLS write rediss:// instead of redis://"
                    );
                }
                Some((name, _)) => log::warn!("{name:?} in the query of Redis's address has no effect"),
                // It is not shown: it may be a piece of a password.
                None => log::warn!("a key without a value in the query of Redis's address has no effect"),
            }
        }
        Ok(query)
    }
}

fn parse_login(login: &str) -> Result<(Option<String>, Option<Password>), Expected> {
    let (user, password) = login.split_once(':').ok_or(LOGIN)?;
    Ok((some(user)?, some(password)?.map(Password)))
}

/// The text, unless it is empty.
fn some(text: &str) -> Result<Option<String>, Expected> {
    Ok(Some(decoded(text)?).filter(|text| !text.is_empty()))
}

fn parse_place(place: &str) -> Result<(String, u16), Expected> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("a closing bracket after an IPv6 address, such as [::1]:6379")?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => DEFAULT_PORT,
        digits => parse_port(digits.unwrap_or_default())?,
    };
    Ok((parse_host(host)?, port))
}

fn parse_host(host: &str) -> Result<String, Expected> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(plain) {
        return Err("the name or IP address of a host");
    }
    Ok(host.to_owned())
}

fn parse_port(digits: &str) -> Result<u16, Expected> {
    digits.parse().ok().filter(|port| *port != 0).ok_or("a port, 1 to 65535")
}

/// Replaces `%` and two hexadecimal digits by the byte they stand for; any other `%` stays.
fn decoded(text: &str) -> Result<String, Expected> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = behind.split_at_checked(2).filter(|_| *first == b'%').and_then(|(digits, behind)| {
            let digits =
                std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()));
            Some((u8::from_str_radix(digits?, 16).ok()?, behind))
        });
        let (byte, behind) = escaped.unwrap_or((*first, behind));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| "user and password in UTF-8")
}

/// The server that the variables describe: a whole address, or the host, port and password of one. The first variable
/// that is set counts, and the others are ignored. An empty one counts as not set.
///
/// # Errors
/// The variable that counts, if it is wrong, and what is accepted.
pub(super) fn from_variables<'a>(
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<Option<RedisServer>, (&'static str, Expected)> {
    let variable = |name: &str| variable(name).map(str::trim).filter(|value| !value.is_empty());
    for name in ["REDIS_URL", "STP_REDIS_REDIS_URL", "STP_REDIS_CONNECTION_STRING"] {
        if let Some(address) = variable(name) {
            return parse(address).map(Some).map_err(|expected| (name, expected));
        }
    }
    let Some(host) = variable("STP_REDIS_HOST") else { return Ok(None) };
    let host = parse_host(host).map_err(|expected| ("STP_REDIS_HOST", expected))?;
    let port = variable("STP_REDIS_PORT").map_or(Ok(DEFAULT_PORT), parse_port);
    let port = port.map_err(|expected| ("STP_REDIS_PORT", expected))?;
    let password = variable("STP_REDIS_PASSWORD").map(Password::new);
    // A password does not leave the machine in the clear, unless an address asks for it.
    let security = if password.is_some() && !is_loopback(&host) { RedisSecurity::Tls } else { RedisSecurity::Plain };
    Ok(Some(RedisServer { password, ..RedisServer::new(host, port, security) }))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> RedisServer {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_may_leave_out_all_but_the_host() {
        assert_eq!(server("redis://cache"), RedisServer::new("cache", 6379, RedisSecurity::Plain));
        assert_eq!(server(" REDISS://10.0.0.7:7000/ "), RedisServer::new("10.0.0.7", 7000, RedisSecurity::Tls));
        assert_eq!(server("redis://[::1]:6380"), RedisServer::new("::1", 6380, RedisSecurity::Plain));
        assert_eq!(server("redis://[::1]").to_string(), "redis://[::1]:6379/0");
    }

    #[test]
    fn user_password_and_database_are_read() {
        let all = server("rediss://default:pa:ss@redis.example:6380/7");
        assert_eq!((all.user.as_deref(), all.database), (Some("default"), 7));
        assert_eq!(all.password, Some(Password::new("pa:ss")));
        let short = server("redis://:secret@h");
        assert_eq!((short.user, short.password), (None, Some(Password::new("secret"))));
    }

    #[test]
    fn a_password_may_hold_any_character_and_may_be_escaped() {
        assert_eq!(server("redis://:a/b?c#d@e@h").password, Some(Password::new("a/b?c#d@e")));
        assert_eq!(server("redis://:p%40%2fq%C3%A4@h").password, Some(Password::new("p@/qä")));
        assert_eq!(server("redis://:100%sure%4@h").password, Some(Password::new("100%sure%4")));
    }

    #[test]
    fn a_query_tells_what_does_not_stand_before_it() {
        for (text, database) in [
            ("redis://h?db=1", 1),
            ("redis://h/?db=1", 1),
            ("redis://h/2?db=1", 2),
            ("redis://h:7/3?", 3),
            ("redis://h/?protocol=2&family=0", 0),
            ("redis://h?protocol=3&&timeout=5s&tls", 0),
        ] {
            assert_eq!((server(text).host.as_str(), server(text).database), ("h", database), "{text}");
        }
        let all = server("redis://h:7?username=us%65r&password=p%40ss&db=4");
        assert_eq!((all.user.as_deref(), all.password), (Some("user"), Some(Password::new("p@ss"))));
        assert_eq!(server("redis://:before@h?password=behind").password, Some(Password::new("before")));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in [
            "",
            "cache:6379",
            "http://h",
            "redis://",
            "redis://:6379",
            "redis://h:0",
            "redis://h:x",
            "redis://h:70000",
            "redis://h:",
            "redis://h/x",
            "redis://h?db=x",
            "redis://h/0?db=-1",
            "redis://h?password=%ff",
            "redis://[::1",
            "redis://[::1]6379",
            "redis://secret@h",
            "redis://user:@h",
            "redis://h?username=user&password=",
            "redis://a b",
            "redis://:%ff@h",
            "redis://h/-1",
        ] {
            assert!(wrong.parse::<RedisServer>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_that_is_formatted_shows_the_password() {
        let server = server("rediss://user:hunter2@h");
        for text in [format!("{server}"), format!("{server:?}"), format!("{server:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let mut set = [
            ("REDIS_URL", "redis://first"),
            ("STP_REDIS_REDIS_URL", "redis://second"),
            ("STP_REDIS_CONNECTION_STRING", "redis://third"),
            ("STP_REDIS_HOST", "fourth"),
        ];
        for expected in ["first", "second", "third", "fourth"] {
            let found = from_variables(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| *value));
            assert_eq!(found.unwrap().unwrap().host, expected);
            set[0].1 = " ";
            set.rotate_left(1);
        }
        assert_eq!(from_variables(|_| Some("")), Ok(None));
        let wrong = from_variables(|name| (name == "STP_REDIS_CONNECTION_STRING").then_some("h:1"));
        assert_eq!(wrong.unwrap_err().0, "STP_REDIS_CONNECTION_STRING");
    }

    #[test]
    fn host_port_and_password_use_tls_where_the_password_would_travel() {
        let of = |host: &'static str, password: &'static str| {
            let found = from_variables(move |name| match name {
                "STP_REDIS_HOST" => Some(host),
                "STP_REDIS_PORT" => Some("6390"),
                "STP_REDIS_PASSWORD" => Some(password),
                _ => None,
            });
            found.unwrap().unwrap()
        };
        assert_eq!(of("h", "").security, RedisSecurity::Plain);
        assert_eq!(of("127.0.0.1", "secret").security, RedisSecurity::Plain);
        let remote = of("h", "secret");
        assert_eq!((remote.security, remote.port), (RedisSecurity::Tls, 6390));
        assert_eq!(remote.password, Some(Password::new("secret")));
    }
}

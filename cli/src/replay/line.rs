//! A line of an access log -> [`Entry`]: what the log says of a request, and which of its facts that settles.
//!
//! Apache's and NGINX's common and combined formats here (a leading virtual host is understood), JSON in
//! [`super::json`]. Nothing is repaired: a line that cannot be read is a broken line with a reason.

use std::net::IpAddr;

/// Longest line, bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// One logged request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Method.
    pub method: Vec<u8>,
    /// Target as sent.
    pub target: Vec<u8>,
    /// Whether the target's query was logged with it.
    pub query_logged: bool,
    /// Authority.
    pub host: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The client's address, as the server that wrote the log saw it.
    pub client_ip: Option<IpAddr>,
    /// µs since the epoch.
    pub time_us: Option<i64>,
    /// `HTTP/1.1`
    pub protocol: Option<String>,
    /// Status that was answered.
    pub status: Option<u16>,
    /// Logged headers, lower-case names.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Reads a line.
pub fn parse(line: &[u8]) -> Result<Entry, String> {
    match line.iter().find(|b| !b.is_ascii_whitespace()) {
        None => Err("an empty line".to_string()),
        Some(b'{') => super::json::parse(line),
        Some(_) => parse_text(line),
    }
}

/// `HOST IDENT USER [TIME] "REQUEST" STATUS BYTES ["REFERER" "USER-AGENT"] ..`
fn parse_text(line: &[u8]) -> Result<Entry, String> {
    let open = line
        .iter()
        .position(|b| *b == b'[')
        .ok_or("there is no `[time]`")?;
    let close = open
        + line[open..]
            .iter()
            .position(|b| *b == b']')
            .ok_or("its `[time]` does not end")?;
    let before: Vec<&[u8]> = line[..open]
        .split(|b| *b == b' ')
        .filter(|w| !w.is_empty())
        .collect();
    let mut entry = Entry {
        query_logged: true,
        ..Entry::default()
    };
    let remote = match before.as_slice() {
        [remote, _, _] => remote,
        // `%v:%p %h %l %u`, Apache's vhost_combined.
        [vhost, remote, _, _] => {
            entry.host = Some(text(vhost, "its virtual host")?);
            remote
        }
        // A user name may hold spaces.
        [remote, _, ..] => remote,
        _ => return Err("there is no `host ident user` before its time".to_string()),
    };
    entry.client_ip = std::str::from_utf8(remote).ok().and_then(|t| t.parse().ok());
    entry.time_us = time_us(&text(&line[open + 1..close], "its time")?);
    let mut rest = &line[close + 1..];
    let request = quoted(&mut rest)?.ok_or("there is no \"request\" after its time")?;
    request_line(&request, &mut entry)?;
    let mut words = rest.split(|b| *b == b' ').filter(|w| !w.is_empty());
    let status = words
        .next()
        .and_then(|w| std::str::from_utf8(w).ok())
        .and_then(|t| t.parse().ok());
    entry.status = Some(status.ok_or("there is no status after its request")?);
    let mut names = ["referer", "user-agent"].into_iter();
    while let (Some(value), Some(name)) = (quoted(&mut rest)?, names.next()) {
        header(&mut entry, name, value);
    }
    Ok(entry)
}

/// A logged header; `-` stands for one that was absent or was `-`, which nobody can tell.
pub(super) fn header(entry: &mut Entry, name: &str, value: Vec<u8>) {
    if value != b"-" {
        entry.headers.push((name.to_string(), value));
    }
}

/// `GET /x HTTP/1.1`, into method, target and protocol.
pub(super) fn request_line(line: &[u8], entry: &mut Entry) -> Result<(), String> {
    let first = line
        .iter()
        .position(|b| *b == b' ')
        .ok_or("its request is no `METHOD TARGET PROTOCOL`")?;
    let (method, rest) = (&line[..first], &line[first + 1..]);
    let last = rest.iter().rposition(|b| *b == b' ');
    let (target, version) = match last {
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") => (&rest[..at], Some(&rest[at + 1..])),
        _ => (rest, None),
    };
    if method.is_empty() || target.is_empty() {
        return Err("its request is no `METHOD TARGET PROTOCOL`".to_string());
    }
    entry.method = method.to_vec();
    entry.target = target.to_vec();
    entry.protocol = version
        .and_then(|v| std::str::from_utf8(v).ok())
        .and_then(protocol);
    Ok(())
}

/// `HTTP/2.0` of NGINX is `HTTP/2` everywhere else.
pub(super) fn protocol(text: &str) -> Option<String> {
    match text {
        "HTTP/2.0" => Some("HTTP/2".to_string()),
        "HTTP/3.0" => Some("HTTP/3".to_string()),
        _ => text.starts_with("HTTP/").then(|| text.to_string()),
    }
}

/// The next quoted text, its escapes undone; `rest` moves behind it.
fn quoted(rest: &mut &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some(start) = rest.iter().position(|b| *b == b'"') else {
        return Ok(None);
    };
    let mut value = Vec::new();
    let mut at = start + 1;
    loop {
        match (rest.get(at), rest.get(at + 1)) {
            (None, _) => return Err("a quoted text does not end".to_string()),
            (Some(b'"'), _) => break,
            (Some(b'\\'), Some(escape)) => {
                at += 2;
                match escape {
                    b'n' => value.push(b'\n'),
                    b't' => value.push(b'\t'),
                    b'r' => value.push(b'\r'),
                    b'v' => value.push(0x0b),
                    b'b' => value.push(0x08),
                    b'f' => value.push(0x0c),
                    b'x' => match rest.get(at..at + 2).and_then(hex) {
                        Some(byte) => {
                            value.push(byte);
                            at += 2;
                        }
                        None => value.extend_from_slice(b"\\x"),
                    },
                    other => value.push(*other),
                }
            }
            (Some(byte), _) => {
                value.push(*byte);
                at += 1;
            }
        }
    }
    *rest = &rest[at + 1..];
    Ok(Some(value))
}

fn hex(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|t| u8::from_str_radix(t, 16).ok())
}

fn text(bytes: &[u8], what: &str) -> Result<String, String> {
    std::str::from_utf8(bytes)
        .map(str::to_string)
        .map_err(|_| format!("{what} is not UTF-8"))
}

/// `17/May/2015:10:05:03 +0000`, or an RFC 3339 instant.
pub(super) fn time_us(text: &str) -> Option<i64> {
    jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text)
        .and_then(|t| t.to_timestamp())
        .or_else(|_| text.parse::<jiff::Timestamp>())
        .ok()
        .map(|t| t.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combined_common_and_vhost() {
        let combined =
            br#"192.0.2.9 - bob [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 12 "-" "x \"y\"\x1b""#;
        let entry = parse(combined).unwrap();
        assert_eq!(entry.target, b"/a?b=c");
        assert_eq!(entry.client_ip, "192.0.2.9".parse().ok());
        assert_eq!(entry.time_us, Some(1_431_849_903_000_000));
        assert_eq!(
            entry.headers,
            [("user-agent".to_string(), b"x \"y\"\x1b".to_vec())]
        );
        let vhost =
            br#"h.example:80 client.example - - [17/May/2015:10:05:03 +0000] "OPTIONS * HTTP/1.0" 101 -"#;
        let entry = parse(vhost).unwrap();
        assert_eq!(
            (entry.host.as_deref(), entry.client_ip),
            (Some("h.example:80"), None)
        );
        assert_eq!(
            (entry.target.as_slice(), entry.status),
            (b"*".as_slice(), Some(101))
        );
    }

    #[test]
    fn broken_lines_say_why() {
        for (line, part) in [
            ("", "empty"),
            ("rubbish", "[time]"),
            (r#"- - - [x] "-" 400 0"#, "METHOD"),
            (r#"- - - [x] "GET / HTTP/1.1"#, "end"),
            (r#"- - - [x] "GET / HTTP/1.1" -"#, "status"),
        ] {
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}

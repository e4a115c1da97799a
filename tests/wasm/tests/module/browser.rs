//! The page in a browser without a screen: a server on loopback serves it, a driver beside it fills in its fields and
//! presses its buttons, and reports what a person would then read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::node::{examples, image};
use crate::support::TEXT_FILE;

/// How long a browser may take before the test fails; it takes a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// Serves the repository's layout, and takes the report.
fn serve(listener: TcpListener, reports: Sender<String>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let reports = reports.clone();
        // A browser keeps spare connections open: each has a thread, or one of them holds up the others.
        std::thread::spawn(move || {
            let _ = answer(stream, &reports);
        });
    }
}

fn answer(mut stream: TcpStream, reports: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let target = first.split(' ').nth(1).unwrap_or("");
    let path = target.split('?').next().unwrap_or("");
    let example = |name: &str| std::fs::read(examples().join(name)).ok();
    let (kind, found) = match path {
        "/drive.html" => ("text/html", Some(include_bytes!("drive.html").to_vec())),
        "/image" => ("application/octet-stream", Some(image())),
        "/target/wasm-module/portcullis_text.opt.wasm" => {
            ("application/wasm", std::fs::read(&*TEXT_FILE).ok())
        }
        "/ffi/wasm/examples/browser/" => ("text/html", example("browser/index.html")),
        "/ffi/wasm/examples/browser/page.mjs" => ("text/javascript", example("browser/page.mjs")),
        "/ffi/wasm/examples/portcullis.mjs" => ("text/javascript", example("portcullis.mjs")),
        "/ffi/wasm/examples/policy.gate" => ("text/plain", example("policy.gate")),
        "/report" => {
            let _ = reports.send(String::from_utf8_lossy(&body).into_owned());
            ("text/plain", Some(Vec::new()))
        }
        _ => ("text/plain", None),
    };
    let status = if found.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = found.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// A browser that ends with the test.
struct Browser(Child);

impl Browser {
    fn open(url: &str) -> Browser {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let _ = std::fs::remove_dir_all(&folder);
        let child = Command::new(xtask::javascript::browser().unwrap())
            // CI is root in a container, where a browser's own sandbox does not start. The pages are ours.
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            // Without it a browser without a screen ends when a page is loaded.
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg(url)
            // Debian's command is a script that starts the browser: both end as one group.
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Browser(child.unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn the_page_decides_in_a_browser() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, reports) = channel();
    std::thread::spawn(move || serve(listener, sender));
    // Built before the browser's patience runs.
    assert!(TEXT_FILE.is_file());
    let _browser = Browser::open(&format!("http://127.0.0.1:{port}/drive.html"));
    let report = reports.recv_timeout(PATIENCE).unwrap();
    let expected = "\
text: In force: the policy's text.
text: deny deny 451 | denied_by_rule by shop/secret
allowed: allow allow 200 | allowed by shop/browse
context: allow allow 200 | allowed by shop/order
no header: deny no verdict | not a header line: nonsense
wrong text: none  | The policy was not loaded; the one before it, if any, is still in force.
still: deny deny 451 | denied_by_rule by shop/secret
changed: deny deny 404 | no_route
image: In force: the image /image.
image: deny deny 451 | denied_by_rule by shop/secret
no module: deny no verdict | Without a module nothing is allowed.
";
    assert_eq!(report, expected);
}

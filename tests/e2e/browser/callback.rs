//! A web server that stands for an app's redirect URI on this machine, and for the pages of another site.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::Url;

/// A minimal web server. It ends with the test process.
pub(crate) struct Callback {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    page: Arc<Mutex<String>>,
}

impl Callback {
    /// Listens on a free port.
    pub(crate) fn listen() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// Listens on IPv6. `None`: this machine has no IPv6.
    pub(crate) fn listen_v6() -> Option<Self> {
        TcpListener::bind("[::1]:0").ok().map(Self::on)
    }

    fn on(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let (asked, page) =
            (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Mutex::new("<h1>Back in the app</h1>".into())));
        let (log, content) = (asked.clone(), page.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, content) = (log.clone(), content.clone());
                thread::spawn(move || answer(stream, &log, &content));
            }
        });
        Self { port, asked, page }
    }

    /// Sets the page that it serves from now on.
    pub(crate) fn serve(&self, page: &str) {
        *self.page.lock().expect("whole") = page.into();
    }

    /// Returns its URL with this host name.
    pub(crate) fn at(&self, host: &str) -> String {
        format!("http://{host}:{}/callback", self.port)
    }

    /// Returns the distinct values of this parameter in all requests.
    pub(crate) fn received(&self, parameter: &str) -> Vec<String> {
        let asked = self.asked.lock().expect("whole");
        let mut values: Vec<String> = asked
            .iter()
            .filter_map(|path| {
                let url = Url::parse(&format!("http://x{path}")).ok()?;
                url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
            })
            .collect();
        values.dedup();
        values
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<Vec<String>>, page: &Mutex<String>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    lines.find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    if path.starts_with("/callback") {
        asked.lock().expect("whole").push(path);
    }
    let page = page.lock().expect("whole").clone();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
    let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
}

//! A proxy that holds back certain requests, so that a test can interrupt the program in the middle of its work.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Far more than the request line takes.
const BUFFER_BYTES: usize = 64 * 1024;

/// A proxy that forwards everything but the requests that it holds back.
pub(crate) struct Gate {
    pub(crate) url: String,
    held_up: Receiver<()>,
}

impl Gate {
    /// Starts a proxy in front of the server that holds back requests that start like this.
    pub(crate) fn before(server_url: &str, held_up: &'static str) -> Self {
        let server = server_url.strip_prefix("http://").expect("a plain address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, told) = channel();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let tell = tell.clone();
                thread::spawn(move || carry(client, server, held_up, &tell));
            }
        });
        Self { url, held_up: told }
    }

    /// Waits until a request is held back.
    pub(crate) fn wait(&self) {
        self.held_up.recv().expect("the gate stands");
    }
}

fn carry(mut client: TcpStream, mut server: TcpStream, held_up: &str, tell: &Sender<()>) {
    let (Ok(mut answers), Ok(mut back)) = (server.try_clone(), client.try_clone()) else { return };
    thread::spawn(move || std::io::copy(&mut answers, &mut back));
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut is_open = true;
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        if is_open && buffer[..read].starts_with(held_up.as_bytes()) {
            is_open = false;
            let _ = tell.send(());
        }
        if is_open && server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

//! A mail server that takes everything and keeps nothing: what is timed is the answer to whoever asked for the mail.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;

pub(super) struct MailSink {
    port: u16,
    taken: Arc<AtomicUsize>,
}

impl MailSink {
    /// Listens for as long as this program runs.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, taken) = (listener.local_addr()?.port(), Arc::<AtomicUsize>::default());
        let counter = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that leaves early has sent no mail.
                let _ = take(stream, &counter);
            }
        });
        Ok(Self { port, taken })
    }

    /// As the setting takes it.
    pub(super) fn address(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Mails so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

fn take(mut stream: TcpStream, taken: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 sink\r\n")?;
    let mut in_mail = false;
    for line in lines {
        let line = line?;
        let answer: &[u8] = match line.as_str() {
            "." if in_mail => {
                in_mail = false;
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            _ if in_mail => continue,
            "DATA" => {
                in_mail = true;
                b"354 go on\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => b"250 sink\r\n",
        };
        stream.write_all(answer)?;
    }
    Ok(())
}

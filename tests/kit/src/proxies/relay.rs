//! An address that stays: a server that was killed comes back at another one.

use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Carries connections to wherever the server is now, until it is dropped.
pub struct Relay {
    url: String,
    target: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn to(server_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let target = Arc::new(Mutex::new(address(server_url)));
        let task = tokio::spawn(carry_all(listener, target.clone()));
        Self { url, target, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What points it to another address.
    pub fn pointer(&self) -> impl Fn(&str) + use<> {
        let target = self.target.clone();
        move |server_url| *target.lock().expect("nobody panicked") = address(server_url)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

async fn carry_all(listener: TcpListener, target: Arc<Mutex<String>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let to = target.lock().expect("nobody panicked").clone();
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

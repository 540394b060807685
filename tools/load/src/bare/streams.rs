//! Event streams by the same libraries, with nothing behind them: each shows that it is alive, as the server's do.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web};
use actix_web_lab::sse::{Data, Event, Sse};
use futures_util::StreamExt;
use futures_util::stream::{once, pending};

use crate::Result;
use crate::live::HEARTBEAT;

/// Serves streams on a free port, which it prints, until the process is killed.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    rt::System::new().block_on(async {
        HttpServer::new(|| App::new().route("/", web::get().to(stream)))
            .backlog(4096)
            .listen(listener)?
            .run()
            .await?;
        Ok(())
    })
}

async fn stream() -> Sse<impl futures_util::Stream<Item = Result<Event, std::convert::Infallible>>> {
    let first = Event::Data(Data::new("{}"));
    let events = once(async { Ok(first) }).chain(pending());
    Sse::from_stream(Box::pin(events)).with_keep_alive(Duration::from_secs(HEARTBEAT))
}

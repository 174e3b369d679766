use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use http_body_util::BodyExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::*;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// An upstream that answers `/whole` at once, and any other request with the rest of its body when it is told to.
struct Graph {
    origin: Arc<Origin>,
    accepted: Arc<AtomicUsize>,
    finish: watch::Sender<bool>,
    closed: mpsc::UnboundedReceiver<()>,
}

impl Graph {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (finish, finished) = watch::channel(false);
        let (tell, closed) = mpsc::unbounded_channel();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let (finished, tell) = (finished.clone(), tell.clone());
                tokio::spawn(async move {
                    answer(stream, finished).await;
                    _ = tell.send(());
                });
            }
        });
        Self { origin: Arc::new(Origin::parse(&url, false).unwrap()), accepted, finish, closed }
    }

    fn client(&self, idle: Duration) -> Client {
        let deadlines = Deadlines { connect: LONG, handshake: LONG, answer: LONG, idle };
        Client::new(Arc::clone(&self.origin), None, deadlines)
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream, mut finished: watch::Receiver<bool>) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(request)) = lines.next_line().await {
        while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        write.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").await.unwrap();
        if !request.starts_with("GET /whole ") {
            finished.wait_for(|finished| *finished).await.unwrap();
        }
        write.write_all(b"b").await.unwrap();
    }
}

async fn get(client: &Client, target: &str) -> Incoming {
    let request = Request::get(target).header("host", "x").body(Full::default()).unwrap();
    client.send(Box::new(request), Instant::now()).await.unwrap().into_body()
}

async fn whole(body: Incoming) {
    assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
}

#[tokio::test]
async fn slow_answers_do_not_keep_other_connections_from_being_kept() {
    let graph = Graph::start().await;
    let client = graph.client(LONG);
    let mut slow = Vec::new();
    for _ in 0..MOST_IDLE {
        slow.push(get(&client, "/slow").await);
    }
    for _ in 0..3 {
        whole(get(&client, "/whole").await).await;
    }
    assert_eq!(graph.accepted(), MOST_IDLE + 1);
    // Each slow answer comes to its end, also that on the connection which is not kept.
    graph.finish.send_replace(true);
    for body in slow {
        whole(body).await;
    }
}

#[tokio::test]
async fn connections_that_nobody_uses_are_closed_in_time() {
    let mut graph = Graph::start().await;
    let client = graph.client(Duration::from_millis(100));
    // More than once: the pool is empty in between.
    for _ in 0..2 {
        let (one, other) = (get(&client, "/slow").await, get(&client, "/slow").await);
        graph.finish.send_replace(true);
        whole(one).await;
        whole(other).await;
        for _ in 0..2 {
            timeout(LONG, graph.closed.recv()).await.expect("nobody closes it").unwrap();
        }
        graph.finish.send_replace(false);
    }
    assert_eq!(graph.accepted(), 4);
    assert_eq!(client.idle(), 0);
}

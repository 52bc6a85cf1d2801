//! Stands between the daemon and a server, and cuts the line where it is told to.
//!
//! In: connections of the daemon, a server's port, a plan that says what becomes of each request. Out: the server's answers, whole,
//! in part or not at all; and a record of all that passed.
//! Never: changes what is said, but for compression, which it asks the server to leave off.

use beffroi::clock::{Clock, Dice, SimClock};
use beffroi::domain::Timestamp;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of one request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All goes well.
    Through,
    /// The server gets so many bytes, and both lines are cut.
    CutRequest(usize),
    /// The server gets it all and answers, to nobody.
    Unanswered,
    /// The line is cut, and the server gets the request when so many others have passed.
    Held(usize),
    /// So many bytes of the answer come back.
    CutAnswer(usize),
    /// Silence after so many bytes of the answer, and then the line is reset.
    Stall(usize),
}

/// One request, and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// When, by the daemon's clock.
    pub(crate) at: Timestamp,
    /// All that the daemon sent.
    pub(crate) request: Vec<u8>,
    /// All that the server answered; the daemon may have had less.
    pub(crate) answer: Vec<u8>,
    /// What became of it.
    pub(crate) fate: Fate,
}

impl Exchange {
    /// Method and path with query.
    pub(crate) fn line(&self) -> (String, String) {
        line(&self.request)
    }

    /// Whether it is this method and path, whatever the query.
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        let (asked, to) = self.line();
        asked == method && to.split('?').next() == Some(path)
    }

    /// The status of the server's answer; 0 without one.
    pub(crate) fn status(&self) -> u16 {
        let head = String::from_utf8_lossy(&self.answer);
        head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    /// A header of the request.
    pub(crate) fn asked(&self, name: &str) -> Option<String> {
        header(&self.request, name)
    }

    /// A header of the answer.
    pub(crate) fn answered(&self, name: &str) -> Option<String> {
        header(&self.answer, name)
    }

    /// The answer's body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&body(&self.answer)).unwrap_or_default()
    }
}

fn head_end(message: &[u8]) -> usize {
    message.windows(4).position(|w| w == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

fn header(message: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(&message[..head_end(message)]).into_owned();
    let found = head.lines().skip(1).filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

fn line(request: &[u8]) -> (String, String) {
    let first = String::from_utf8_lossy(request.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
    let mut words = first.split(' ').map(str::to_owned);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// The body of a message, in one piece.
pub(crate) fn body(message: &[u8]) -> Vec<u8> {
    let rest = &message[head_end(message)..];
    if !header(message, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        return rest.to_vec();
    }
    let (mut rest, mut whole) = (rest, Vec::new());
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(String::from_utf8_lossy(&rest[..end]).trim(), 16).unwrap_or(0);
        let Some(piece) = rest.get(end + 2..end + 2 + size).filter(|_| size > 0) else { break };
        whole.extend_from_slice(piece);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

/// Says what becomes of a request, from its method, its path and the whole of it.
pub(crate) type Plan = Box<dyn FnMut(&str, &str, &[u8]) -> Fate + Send>;

struct Inner {
    to: u16,
    clock: Arc<SimClock>,
    dice: Dice,
    plan: Mutex<Plan>,
    seen: Mutex<Vec<Exchange>>,
    /// Requests that are on their way for long: their number, and how many others are to pass before.
    held: Mutex<Vec<(usize, usize)>>,
}

/// The line between the daemon and a server.
pub(crate) struct Proxy {
    /// Where the daemon finds it.
    pub(crate) port: u16,
    inner: Arc<Inner>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// A line to the server at this port of this machine.
    pub(crate) fn new(to: u16, clock: Arc<SimClock>, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let plan: Plan = Box::new(|_, _, _| Fate::Through);
        let (dice, plan) = (Dice::seeded(seed), Mutex::new(plan));
        let inner = Arc::new(Inner { to, clock, dice, plan, seen: Mutex::default(), held: Mutex::default() });
        let shared = inner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let inner = shared.clone();
                // A line that breaks is what this is for.
                std::thread::spawn(move || drop(inner.serve(&stream)));
            }
        });
        Self { port, inner }
    }

    /// From now on, this becomes of requests.
    pub(crate) fn plan(&self, plan: impl FnMut(&str, &str, &[u8]) -> Fate + Send + 'static) {
        *lock(&self.inner.plan) = Box::new(plan);
    }

    /// From now on, all goes well.
    pub(crate) fn mend(&self) {
        self.plan(|_, _, _| Fate::Through);
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> usize {
        lock(&self.inner.seen).len()
    }

    /// The requests from the n-th on.
    pub(crate) fn since(&self, mark: usize) -> Vec<Exchange> {
        lock(&self.inner.seen).iter().skip(mark).cloned().collect()
    }
}

impl Inner {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client.try_clone()?);
        loop {
            let Some(request) = read_request(&mut reader)? else { return Ok(()) };
            let (method, path) = line(&request);
            let fate = (lock(&self.plan))(&method, &path, &request);
            let at = self.clock.now();
            let number = {
                let mut seen = lock(&self.seen);
                seen.push(Exchange { at, request: request.clone(), answer: Vec::new(), fate });
                seen.len() - 1
            };
            let kept = self.carry_out(client, &request, fate, number);
            self.release(number);
            match kept {
                Ok(true) => {}
                _ => return Ok(()),
            }
        }
    }

    /// Whether the line is still there afterwards.
    fn carry_out(&self, mut client: &TcpStream, request: &[u8], fate: Fate, number: usize) -> io::Result<bool> {
        match fate {
            Fate::Through => {
                let (answer, closed) = self.ask(request)?;
                self.answered(number, answer.clone());
                client.write_all(&answer)?;
                return Ok(!closed);
            }
            Fate::CutRequest(bytes) => {
                let mut server = TcpStream::connect(("127.0.0.1", self.to))?;
                server.write_all(&request[..bytes.min(request.len())])?;
                self.cut(client);
                self.cut(&server);
            }
            Fate::Unanswered => {
                let mut server = TcpStream::connect(("127.0.0.1", self.to))?;
                server.write_all(request)?;
                self.cut(client);
                let (answer, _) = read_answer(&mut BufReader::new(server))?;
                self.answered(number, answer);
            }
            Fate::Held(others) => {
                lock(&self.held).push((number, others));
                self.cut(client);
            }
            Fate::CutAnswer(bytes) | Fate::Stall(bytes) => {
                let (answer, _) = self.ask(request)?;
                self.answered(number, answer.clone());
                client.write_all(&answer[..bytes.min(answer.len().saturating_sub(1))])?;
                if matches!(fate, Fate::Stall(_)) {
                    client.set_read_timeout(Some(Duration::from_millis(150)))?;
                    // Nothing more comes: the daemon waits for the answer.
                    let _ = client.read(&mut [0]);
                    reset(client);
                } else {
                    self.cut(client);
                }
            }
        }
        Ok(false)
    }

    fn answered(&self, number: usize, answer: Vec<u8>) {
        lock(&self.seen)[number].answer = answer;
    }

    fn ask(&self, request: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let mut server = TcpStream::connect(("127.0.0.1", self.to))?;
        server.write_all(request)?;
        read_answer(&mut BufReader::new(server))
    }

    /// In good order or not, as it comes.
    fn cut(&self, stream: &TcpStream) {
        if self.dice.below(2) == 0 {
            reset(stream);
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Another request has passed: those that were on their way for long come nearer, and some arrive.
    fn release(&self, passed: usize) {
        let mut arrived = Vec::new();
        lock(&self.held).retain_mut(|(number, others)| {
            if *number != passed {
                *others = others.saturating_sub(1);
            }
            let here = *others == 0 && *number != passed;
            if here {
                arrived.push(*number);
            }
            !here
        });
        for number in arrived {
            let request = lock(&self.seen)[number].request.clone();
            if let Ok((answer, _)) = self.ask(&request) {
                self.answered(number, answer);
            }
        }
    }
}

/// The line ends at once and without a farewell.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn read_head(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            break;
        }
    }
    Ok(head)
}

fn length(message: &[u8]) -> Option<usize> {
    header(message, "content-length")?.parse().ok()
}

fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let head = read_head(reader)?;
    if head.is_empty() {
        return Ok(None);
    }
    assert!(header(&head, "transfer-encoding").is_none(), "the daemon says how long its requests are");
    let mut rest = vec![0; length(&head).unwrap_or(0)];
    reader.read_exact(&mut rest)?;
    // Not compressed, so that all that passes can be read.
    let text = String::from_utf8_lossy(&head).into_owned();
    let open: String = text.split_inclusive("\r\n").filter(|l| !l.to_ascii_lowercase().starts_with("accept-encoding:")).collect();
    Ok(Some([open.into_bytes(), rest].concat()))
}

/// The whole answer, and whether the server closes the line after it.
fn read_answer(reader: &mut BufReader<TcpStream>) -> io::Result<(Vec<u8>, bool)> {
    let mut answer = read_head(reader)?;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0_u16);
    if header(&answer, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut size = Vec::new();
            reader.read_until(b'\n', &mut size)?;
            let bytes = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).unwrap_or(0);
            answer.extend(&size);
            let mut piece = vec![0; bytes + 2];
            reader.read_exact(&mut piece)?;
            answer.extend(&piece);
            if bytes == 0 {
                break;
            }
        }
    } else if let Some(bytes) = length(&answer) {
        let mut rest = vec![0; bytes];
        reader.read_exact(&mut rest)?;
        answer.extend(&rest);
    } else if !matches!(status, 204 | 304) {
        reader.read_to_end(&mut answer)?;
        return Ok((answer, true));
    }
    let closed = header(&answer, "connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    Ok((answer, closed))
}

/// A plan that cuts every dangerous request when it comes for the first time, a quarter of those that come again, and a tenth of
/// all others; how and where is up to chance.
pub(crate) fn cutting(
    seed: u64,
    latest: usize,
    dangerous: impl Fn(&str, &str) -> bool + Send + 'static,
) -> impl FnMut(&str, &str, &[u8]) -> Fate {
    let dice = Dice::seeded(seed);
    let mut known = std::collections::HashSet::new();
    let below = move |dice: &Dice, n: usize| usize::try_from(dice.below(n.max(1) as u64)).unwrap_or(0);
    move |method, path, request| {
        let held = 1 + below(&dice, latest);
        if dangerous(method, path) {
            let first = known.insert(body(request));
            if !first && below(&dice, 4) > 0 {
                return Fate::Through;
            }
        } else if below(&dice, 10) > 0 {
            return Fate::Through;
        }
        // Most answers are at least this long; what is longer is cut near its end by others.
        let answer = below(&dice, if below(&dice, 2) == 0 { 200 } else { 2_000 });
        match below(&dice, 6) {
            0 => Fate::CutRequest(1 + below(&dice, request.len() - 1)),
            1 => Fate::CutRequest(request.len()),
            2 => Fate::Unanswered,
            3 if dangerous(method, path) => Fate::Held(held),
            4 => Fate::Stall(answer),
            _ => Fate::CutAnswer(1 + answer),
        }
    }
}

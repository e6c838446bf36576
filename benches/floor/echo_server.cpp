// A fast echo server to measure clients against: one thread, epoll, 127.0.0.1 only.
//
//   echo_server PORT [--delay-ms D] [--freeze 1s/5s] [--seconds S] [--wait sleep|spin]
//
// --delay-ms D    every frame goes back D ms after it was read, by an absolute timerfd. On SIGTERM the
//                 server prints how late it really was: the truth a client's round trips are checked by.
// --freeze F/P    does nothing at all in the last F of every P seconds, counted from the start.
// --seconds S     lives at most so long (default 3600).
// --wait spin     never sleeps, so that no client pays for waking it (10 us a time on a virtual machine, and
//                 the slower a client is, the more often the server has gone to sleep).
//
// On SIGUSR1 it prints what it has counted, so that no client has to be believed: connections upgraded
// since the start, open now, whole data messages read, when the first of those open now was upgraded (the
// first since none was open) and when the last.
//
// It promises one recv and one send for each batch of frames and 100 bytes for a quiet connection.
// It echoes frame by frame, so a fragmented message comes back in the same fragments. It does not
// check UTF-8, reserved bits or the handshake beyond the key, and knows neither TLS nor extensions.
#include <arpa/inet.h>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <cerrno>
#include <deque>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

static const size_t READ_SIZE = 64 << 10;     // one recv
static const size_t MAX_FRAME = 16 << 20;     // longer is closed with 1009
static const size_t MAX_UNSENT = 64 << 20;    // for each connection; more is dropped
static const size_t LATE_BUCKETS = 100000;    // 1 us each

struct Connection {
    int fd = -1;
    uint32_t generation = 0;  // a delayed echo must not reach the descriptor's next owner
    bool open = false;        // the upgrade is done
    bool closing = false;     // shut down for writing once `unsent` is out
    std::string input;        // an incomplete frame or request
    std::string unsent;       // what the kernel did not take
};
struct Delayed { int64_t due; int fd; uint32_t generation; bool last; std::string bytes; };

static std::vector<Connection> connections;  // by descriptor
static std::deque<Delayed> queue;            // the delay is constant, so this is in order
static int poller, timer;
static int64_t delay_ns, freeze_ns, period_ns, started_ns;
static uint32_t lateness_us[LATE_BUCKETS];
static volatile sig_atomic_t stopped, asked;
static uint64_t upgraded, open_now, messages;
static int64_t first_upgrade_ns, last_upgrade_ns;

static int64_t now_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static timespec to_timespec(int64_t ns) { return {ns / 1000000000, ns % 1000000000}; }

[[noreturn]] static void die(const char *what) { perror(what); exit(3); }

// SHA-1 of a short string (FIPS 180-4), for Sec-WebSocket-Accept only.
static void sha1(std::string text, uint8_t out[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint64_t bits = text.size() * 8;
    text += '\x80';
    while (text.size() % 64 != 56) text += '\0';
    for (int i = 7; i >= 0; i--) text += char(bits >> (8 * i));
    auto rotate = [](uint32_t x, int n) { return x << n | x >> (32 - n); };
    for (size_t block = 0; block < text.size(); block += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            memcpy(&w[i], &text[block + 4 * i], 4);
            w[i] = ntohl(w[i]);
        }
        for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20) { f = (b & c) | (~b & d); k = 0x5A827999; }
            else if (i < 40) { f = b ^ c ^ d; k = 0x6ED9EBA1; }
            else if (i < 60) { f = (b & c) | (b & d) | (c & d); k = 0x8F1BBCDC; }
            else { f = b ^ c ^ d; k = 0xCA62C1D6; }
            uint32_t t = rotate(a, 5) + f + e + k + w[i];
            e = d; d = c; c = rotate(b, 30); b = a; a = t;
        }
        h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
    }
    for (int i = 0; i < 20; i++) out[i] = uint8_t(h[i / 4] >> (24 - 8 * (i % 4)));
}

static std::string accept_for(const std::string &key) {
    uint8_t hash[21] = {};
    sha1(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", hash);
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (int i = 0; i < 21; i += 3) {
        uint32_t v = hash[i] << 16 | hash[i + 1] << 8 | hash[i + 2];
        for (int s = 18; s >= 0; s -= 6) out += digits[v >> s & 63];
    }
    out[27] = '=';
    return out;
}

static void drop(Connection &c) {
    close(c.fd);
    open_now -= c.open;
    uint32_t next = c.generation + 1;
    c = Connection();
    c.generation = next;
}

static void watch(Connection &c, uint32_t events) {
    epoll_event e{};
    e.events = events;
    e.data.fd = c.fd;
    epoll_ctl(poller, EPOLL_CTL_MOD, c.fd, &e);
}

// Sends now; while something is unsent nothing more is read, so a slow reader cannot fill the memory.
static void write_out(Connection &c, const char *bytes, size_t size, bool last) {
    c.closing |= last;
    ssize_t sent = 0;
    if (c.unsent.empty() && size > 0) {
        sent = send(c.fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return drop(c);
        if (sent < 0) sent = 0;
    }
    if (size_t(sent) < size) {
        if (c.unsent.size() + size > MAX_UNSENT) return drop(c);
        if (c.unsent.empty()) watch(c, EPOLLOUT);
        c.unsent.append(bytes + sent, size - sent);
    } else if (c.closing && c.unsent.empty()) {
        shutdown(c.fd, SHUT_WR);
    }
}

static void arm_timer() {
    itimerspec t{};
    t.it_value = to_timespec(queue.front().due);
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, nullptr);
}

static void answer(Connection &c, const char *bytes, size_t size, bool last, int64_t read_at) {
    if (delay_ns == 0) return write_out(c, bytes, size, last);
    queue.push_back({read_at + delay_ns, c.fd, c.generation, last, std::string(bytes, size)});
    if (queue.size() == 1) arm_timer();
}

static void send_due() {
    uint64_t expirations;
    if (read(timer, &expirations, 8) < 0 && errno != EAGAIN) die("timerfd read");
    for (int64_t now = now_ns(); !queue.empty() && queue.front().due <= now; now = now_ns()) {
        Delayed &d = queue.front();
        Connection &c = connections[d.fd];
        if (c.fd == d.fd && c.generation == d.generation) {
            write_out(c, d.bytes.data(), d.bytes.size(), d.last);
            size_t late = size_t(now - d.due) / 1000;
            lateness_us[late < LATE_BUCKETS ? late : LATE_BUCKETS - 1]++;
        }
        queue.pop_front();
    }
    if (!queue.empty()) arm_timer();
}

// The smallest whole microsecond that so many of a thousand echoes did not exceed.
static size_t late_quantile(uint64_t count, unsigned permille) {
    uint64_t seen = 0;
    for (size_t us = 0; us < LATE_BUCKETS; us++) {
        seen += lateness_us[us];
        if (seen * 1000 >= count * permille) return us;
    }
    return LATE_BUCKETS;
}

static void print_lateness() {
    uint64_t count = 0;
    for (uint32_t n : lateness_us) count += n;
    if (count == 0) return;
    printf("batches=%llu late_us_p50=%zu late_us_p90=%zu late_us_p99=%zu late_us_p999=%zu late_us_max=%zu\n",
           (unsigned long long)count, late_quantile(count, 500), late_quantile(count, 900),
           late_quantile(count, 990), late_quantile(count, 999), late_quantile(count, 1000));
}

static void print_counts() {
    asked = 0;
    printf("upgraded=%llu open=%llu messages=%llu first_us=%lld last_us=%lld now_us=%lld\n",
           (unsigned long long)upgraded, (unsigned long long)open_now, (unsigned long long)messages,
           (long long)(first_upgrade_ns / 1000), (long long)(last_upgrade_ns / 1000), (long long)(now_ns() / 1000));
    fflush(stdout);
}

static void upgrade(Connection &c) {
    size_t end = c.input.find("\r\n\r\n");
    if (end == std::string::npos) {
        if (c.input.size() > READ_SIZE) drop(c);
        return;
    }
    const char *at = strcasestr(c.input.c_str(), "\r\nSec-WebSocket-Key:");
    if (at == nullptr || size_t(at - c.input.c_str()) > end) return drop(c);
    at += 20;
    at += strspn(at, " \t");
    std::string key(at, strcspn(at, " \t\r\n"));
    std::string reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: " + accept_for(key) + "\r\n\r\n";
    c.open = true;
    upgraded++;
    last_upgrade_ns = now_ns();
    if (open_now++ == 0) first_upgrade_ns = last_upgrade_ns;
    std::string(c.input, end + 4).swap(c.input);
    write_out(c, reply.data(), reply.size(), false);
}

static size_t write_header(char *out, uint8_t first, size_t size) {
    out[0] = char(first);
    if (size < 126) { out[1] = char(size); return 2; }
    if (size < 65536) {
        uint16_t n = htons(uint16_t(size));
        out[1] = 126;
        memcpy(out + 2, &n, 2);
        return 4;
    }
    uint64_t n = __builtin_bswap64(size);
    out[1] = 127;
    memcpy(out + 2, &n, 8);
    return 10;
}

// Unmasks forward; `to` lies before `from`, so the same buffer serves as input and output.
static void unmask(char *to, const char *from, size_t size, const char key[4]) {
    uint32_t half;
    memcpy(&half, key, 4);
    uint64_t mask = uint64_t(half) << 32 | half;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t v;
        memcpy(&v, from + i, 8);
        v ^= mask;
        memcpy(to + i, &v, 8);
    }
    for (; i < size; i++) to[i] = from[i] ^ key[i & 3];
}

struct Echoed { size_t consumed, produced; bool last; };

// Turns the masked frames of a buffer into their echoes in place: an echo is 4 bytes shorter.
static Echoed echo_frames(char *data, size_t size) {
    Echoed e{0, 0, false};
    auto refuse = [&](uint16_t code) {
        char close[4] = {char(0x88), 2, char(code >> 8), char(code & 255)};
        memcpy(data + e.produced, close, 4);
        e = {size, e.produced + 4, true};
        return e;
    };
    while (size - e.consumed >= 6) {
        const char *frame = data + e.consumed;
        uint8_t first = uint8_t(frame[0]), opcode = first & 15;
        size_t length = frame[1] & 127, header = 6;
        if (!(frame[1] & 0x80)) return refuse(1002);
        if (length == 126) {
            header = 8;
            length = size_t(uint8_t(frame[2])) << 8 | uint8_t(frame[3]);
        } else if (length == 127) {
            header = 14;
            if (size - e.consumed < header) break;
            uint64_t n;
            memcpy(&n, frame + 2, 8);
            length = __builtin_bswap64(n);
        }
        if (length > MAX_FRAME) return refuse(1009);
        if (size - e.consumed < header + length) break;
        e.consumed += header + length;
        if (opcode == 10) continue;           // an unasked pong
        if (opcode == 9) first = 0x8A;        // ping -> pong
        if (opcode < 8 && first & 0x80) messages++;
        char key[4];
        memcpy(key, frame + header - 4, 4);   // before the output grows over it
        char *out = data + e.produced;
        size_t h = write_header(out, first, length);
        unmask(out + h, frame + header, length, key);
        e.produced += h + length;
        if (opcode == 8) { e.consumed = size; e.last = true; break; }
    }
    return e;
}

static void serve(Connection &c, char *buffer) {
    ssize_t got = recv(c.fd, buffer, READ_SIZE, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return drop(c);
    int64_t read_at = delay_ns ? now_ns() : 0;
    if (c.closing) return;                    // whatever follows a close
    char *data = buffer;
    size_t size = size_t(got);
    bool joined = !c.input.empty() || !c.open;
    if (joined) {
        c.input.append(buffer, size);
        if (!c.open) upgrade(c);
        if (c.fd < 0 || !c.open || c.input.empty()) return;
        data = &c.input[0];
        size = c.input.size();
    }
    int fd = c.fd;
    Echoed e = echo_frames(data, size);
    if (e.produced > 0) answer(c, data, e.produced, e.last, read_at);
    if (connections[fd].fd != fd) return;     // dropped while writing
    if (e.consumed == size) std::string().swap(c.input);
    else if (joined) c.input.erase(0, e.consumed);
    else c.input.assign(data + e.consumed, size - e.consumed);
}

static void accept_all(int listener) {
    for (int i = 0; i < 256; i++) {
        int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (size_t(fd) >= connections.size()) { close(fd); return; }
        connections[fd].fd = fd;
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
}

static void writable(Connection &c) {
    ssize_t sent = send(c.fd, c.unsent.data(), c.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return drop(c);
    if (sent > 0) c.unsent.erase(0, size_t(sent));
    if (!c.unsent.empty()) return;
    std::string().swap(c.unsent);
    watch(c, EPOLLIN);
    if (c.closing) shutdown(c.fd, SHUT_WR);
}

// Sleeps through the freeze if one is on.
static void stay_frozen() {
    int64_t since = now_ns() - started_ns, phase = since % period_ns;
    if (phase < period_ns - freeze_ns) return;
    timespec end = to_timespec(started_ns + since - phase + period_ns);
    while (!stopped && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr) == EINTR) {}
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(uint16_t(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (sockaddr *)&a, sizeof a) || listen(fd, 4096)) die("listen");
    return fd;
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 0;
    unsigned seconds = 3600;
    int timeout_ms = -1;
    bool good = port > 0 && port < 65536 && argc % 2 == 0;
    for (int i = 2; good && i + 1 < argc; i += 2) {
        double a = 0, b = 0;
        if (!strcmp(argv[i], "--delay-ms")) good = (delay_ns = int64_t(atof(argv[i + 1]) * 1e6)) > 0;
        else if (!strcmp(argv[i], "--seconds")) good = (seconds = unsigned(atoi(argv[i + 1]))) > 0;
        else if (!strcmp(argv[i], "--wait")) {
            timeout_ms = strcmp(argv[i + 1], "spin") ? -1 : 0;
            good = !timeout_ms || !strcmp(argv[i + 1], "sleep");
        } else if (!strcmp(argv[i], "--freeze")) {
            good = sscanf(argv[i + 1], "%lfs/%lfs", &a, &b) == 2 && a > 0 && a < b;
            freeze_ns = int64_t(a * 1e9);
            period_ns = int64_t(b * 1e9);
        } else good = false;
    }
    if (!good) {
        fprintf(stderr, "usage: echo_server PORT [--delay-ms D] [--freeze 1s/5s] [--seconds S] "
                        "[--wait sleep|spin]\n");
        return 2;
    }
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    connections.resize(limit.rlim_max < 65536 ? limit.rlim_max : 65536);
    for (int s : {SIGTERM, SIGINT, SIGALRM}) signal(s, [](int) { stopped = 1; });
    // Taken only while waiting, so that a question never falls between the look and the wait.
    sigset_t question, none;
    sigemptyset(&none);
    sigemptyset(&question);
    sigaddset(&question, SIGUSR1);
    // One that never waits takes the signal whenever it comes.
    if (timeout_ms) sigprocmask(SIG_BLOCK, &question, nullptr);
    signal(SIGUSR1, [](int) { asked = 1; });
    alarm(seconds);

    int listener = listen_on(port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    for (int fd : {listener, timer}) {
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    }
    started_ns = now_ns();
    static char buffer[READ_SIZE];
    epoll_event events[512];
    while (!stopped) {
        int n = epoll_pwait(poller, events, 512, timeout_ms, &none);
        if (asked) print_counts();
        if (period_ns) stay_frozen();
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all(listener);
            else if (fd == timer) send_due();
            else if (connections[fd].fd != fd) continue;
            else if (!connections[fd].unsent.empty()) writable(connections[fd]);
            else serve(connections[fd], buffer);
        }
    }
    print_lateness();
    return 0;
}

// The floor: what a WebSocket client costs that does nothing but the system calls. 127.0.0.1 only.
//
//   floor_client PORT [--clients N] [--seconds D] [--size B] [--parallel K] [--ping S] [--every S [--tick MS]]
//                     [--work NS] [--handshakes | --handshakes-close | --idle]
//
// (no mode)           one prebuilt masked text frame of B bytes in flight on each of N connections for
//                     D seconds after all are connected; of a reply only opcode and length are read.
// --every S           one frame every S seconds on each connection, evenly over them by an exact timer (timerfd),
//                     whatever has been answered; --tick MS by a timer that rings at whole MS only. How late
//                     the sends were is all it measures.
// --work NS           looks at the clock for NS after each reply before it sends again: what a client costs whose
//                     own work takes so long, and what that does to the system calls.
// --handshakes        opens connections for D seconds, K at a time; each is reset after its 101.
// --handshakes-close  the same with a close handshake before each reset.
// --idle              opens N and holds them for D seconds; --ping S sends a ping on each every S seconds.
//
// Prints `name=value` lines. `*_all` covers the whole process, the rest the D seconds. It measures no
// other time of any message, masks every frame with one key and trusts the server: a yardstick, not a tool.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

static const size_t READ_SIZE = 64 << 10;
static const double CONNECT_LIMIT_S = 60;

enum State : uint8_t { NONE, UPGRADING, OPEN, CLOSING };
struct Connection { uint32_t missing = 0; State state = NONE; };  // bytes of the reply still to come

static int port, clients = 100, parallel = 64;
static double seconds = 10, ping_every, every, tick_ms, work_ns;
static size_t size = 64;
static bool handshakes, close_first, idle;
static std::vector<Connection> connections;  // by descriptor
static std::vector<int> opened;
static std::string request, frame, close_frame, ping_frame;
static size_t reply_size;
static int poller;
static uint64_t round_trips, upgrades, pongs;
static int pending;                          // dials without their 101, or closes without their reply
static bool running;
static int alarm_fd = -1;
static std::vector<float> late_ms;           // by send
static char buffer[READ_SIZE];

[[noreturn]] static void die(const char *what) { perror(what); exit(3); }
[[noreturn]] static void fail(const char *what) { fprintf(stderr, "floor_client: %s\n", what); exit(3); }

static double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

static double cpu() {
    rusage u;
    getrusage(RUSAGE_SELF, &u);
    return double(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + double(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long rss_kb() {
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

static std::string masked(uint8_t first, std::string payload) {
    const char key[4] = {0x12, 0x34, 0x56, 0x78};
    std::string f(1, char(first));
    if (payload.size() < 126) f += char(0x80 | payload.size());
    else if (payload.size() < 65536) {
        f += char(0x80 | 126);
        for (int s = 8; s >= 0; s -= 8) f += char(payload.size() >> s);
    } else {
        f += char(0x80 | 127);
        for (int s = 56; s >= 0; s -= 8) f += char(payload.size() >> s);
    }
    f.append(key, 4);
    for (size_t i = 0; i < payload.size(); i++) f += char(payload[i] ^ key[i & 3]);
    return f;
}

static void dial() {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) die("socket");
    if (size_t(fd) >= connections.size()) fail("too many descriptors");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(uint16_t(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (sockaddr *)&a, sizeof a) && errno != EINPROGRESS) die("connect");
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = fd;
    // On loopback the SYN is answered within connect(), so the request can follow at once.
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size())) {
        if (errno != EAGAIN) die("send of the upgrade");
        e.events = EPOLLIN | EPOLLOUT;
    }
    connections[fd] = {0, UPGRADING};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    pending++;
}

// SO_LINGER 0: no TIME_WAIT, so the ports last.
static void reset(int fd) {
    linger l{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close(fd);
    connections[fd].state = NONE;
    pending--;
}

static void send_all(int fd, const std::string &bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
        ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) die("send");
        if (n > 0) sent += size_t(n);
    }
}

static void send_frame(int fd) {
    connections[fd].missing = uint32_t(reply_size);
    send_all(fd, frame);
}

static void upgraded(int fd, ssize_t got) {
    if (got < 12 || memcmp(buffer, "HTTP/1.1 101", 12)) fail("the upgrade was refused");
    if (memcmp(buffer + got - 4, "\r\n\r\n", 4)) fail("the 101 came in pieces or with frames");
    upgrades++;
    if (!handshakes) {
        connections[fd].state = OPEN;
        opened.push_back(fd);
        pending--;
    } else if (close_first) {
        connections[fd].state = CLOSING;
        send_all(fd, close_frame);
    } else {
        reset(fd);
    }
}

static void ready(int fd, uint32_t events) {
    if (fd == alarm_fd) return;              // setting it anew clears it
    Connection &c = connections[fd];
    if (events & EPOLLOUT) {                 // the connect that was not done at once
        send_all(fd, request);
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e);
        return;
    }
    ssize_t got = recv(fd, buffer, READ_SIZE, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("the server closed a connection");
    if (c.state == UPGRADING) return upgraded(fd, got);
    if (c.state == CLOSING) return reset(fd);
    if (idle) {
        pongs += uint64_t(got) / 2;
        return;
    }
    if (c.missing == reply_size && uint8_t(buffer[0]) != 0x81) fail("not an echo");
    if (size_t(got) > c.missing) fail("more than an echo");
    c.missing -= uint32_t(got);
    if (c.missing > 0) return;
    round_trips++;
    if (work_ns > 0) for (double until = now() + work_ns / 1e9; now() < until;) {}
    if (running) send_frame(fd);
}

static void turn(int timeout_ms) {
    static epoll_event events[512];
    int n = epoll_wait(poller, events, 512, timeout_ms);
    for (int i = 0; i < n; i++) ready(events[i].data.fd, events[i].events);
}

static void connect_all() {
    double limit = now() + CONNECT_LIMIT_S;
    while (int(opened.size()) < clients) {
        while (pending < parallel && int(opened.size()) + pending < clients) dial();
        turn(1000);
        if (now() > limit) fail("not all connected within 60 s");
    }
}

static void hold(double end) {
    double began = now();
    size_t pinged = 0;
    while (now() < end) {
        // Evenly over the connections, in slices of 10 ms.
        size_t due = ping_every > 0 ? size_t((now() - began) / ping_every * double(opened.size())) : 0;
        for (; pinged < due; pinged++) send_all(opened[pinged % opened.size()], ping_frame);
        turn(ping_every > 0 ? 10 : 1000);
    }
}

// Send k of all is due k * every / N seconds after the beginning.
static void keep_schedule(double began, double end) {
    alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    epoll_event e{};
    e.events = EPOLLIN | EPOLLET;
    e.data.fd = alarm_fd;
    if (alarm_fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, alarm_fd, &e)) die("timerfd");
    double gap = every / double(opened.size()), tick = tick_ms / 1e3, set = 0;
    size_t sent = 0;
    late_ms.reserve(size_t(seconds / gap) + 1);
    for (double now_s = now(); now_s < end; now_s = now()) {
        double due = began + double(sent) * gap;
        double rings = tick > 0 ? (double(uint64_t(due / tick)) + 1) * tick : due;
        while (rings <= now_s && due <= now_s) {
            connections[opened[sent % opened.size()]].missing += uint32_t(reply_size);
            send_all(opened[sent % opened.size()], frame);
            late_ms.push_back(float((now() - due) * 1e3));
            due = began + double(++sent) * gap;
        }
        rings = tick > 0 ? (double(uint64_t(due / tick)) + 1) * tick : due;
        if (rings != set) {
            itimerspec t{};
            t.it_value.tv_sec = time_t(rings);
            t.it_value.tv_nsec = long((rings - double(time_t(rings))) * 1e9);
            if (timerfd_settime(alarm_fd, TFD_TIMER_ABSTIME, &t, nullptr)) die("timerfd_settime");
            set = rings;
        }
        turn(1000);
    }
    // What is still under way.
    for (double limit = now() + 1; round_trips < sent && now() < limit;) turn(10);
}

static void print_lateness() {
    std::sort(late_ms.begin(), late_ms.end());
    auto at = [](double q) { return late_ms.empty() ? 0.f : late_ms[size_t(q * double(late_ms.size() - 1))]; };
    printf("sent=%zu\nlate_p50_ms=%.3f\nlate_p99_ms=%.3f\nlate_p999_ms=%.3f\n", late_ms.size(), at(.5), at(.99), at(.999));
}

static void open_and_close(double end) {
    double now_s = now();
    for (; now_s < end || pending > 0; now_s = now()) {
        while (now_s < end && pending < parallel) dial();
        turn(1000);
        if (now_s > end + 5) fail("a handshake took longer than 5 s");
    }
}

static bool read_flags(int argc, char **argv) {
    port = argc > 1 ? atoi(argv[1]) : 0;
    bool good = port > 0 && port < 65536;
    for (int i = 2; good && i < argc; i++) {
        std::string flag = argv[i];
        if (flag == "--handshakes") handshakes = true;
        else if (flag == "--handshakes-close") handshakes = close_first = true;
        else if (flag == "--idle") idle = true;
        else if (i + 1 == argc) good = false;
        else {
            double value = atof(argv[++i]);
            good = value > 0 && value <= 1e9;
            if (flag == "--clients") clients = int(value);
            else if (flag == "--seconds") seconds = value;
            else if (flag == "--size") size = size_t(value);
            else if (flag == "--parallel") parallel = int(value);
            else if (flag == "--ping") ping_every = value;
            else if (flag == "--every") every = value;
            else if (flag == "--tick") tick_ms = value;
            else if (flag == "--work") work_ns = value;
            else good = false;
        }
    }
    return good && clients <= 65000 && seconds <= 3600 && size <= (1 << 20);
}

int main(int argc, char **argv) {
    if (!read_flags(argc, argv)) {
        fprintf(stderr, "usage: floor_client PORT [--clients N] [--seconds D] [--size B] [--parallel K] "
                        "[--ping S] [--every S [--tick MS]] [--work NS] [--handshakes | --handshakes-close | --idle]\n");
        return 2;
    }
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    connections.resize(size_t(std::max(clients, parallel)) + 64);
    poller = epoll_create1(EPOLL_CLOEXEC);
    request = "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
              "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    frame = masked(0x81, std::string(size, 'x'));
    close_frame = masked(0x88, std::string("\x03\xe8", 2));
    ping_frame = masked(0x89, "");
    reply_size = frame.size() - 4;

    if (!handshakes) connect_all();
    double cpu_0 = cpu(), began = now();
    if (handshakes) {
        open_and_close(began + seconds);
    } else if (idle) {
        hold(began + seconds);
    } else if (every > 0) {
        keep_schedule(began, began + seconds);
    } else {
        running = true;
        for (int fd : opened) send_frame(fd);
        while (now() < began + seconds) turn(1000);
        running = false;
    }
    double took = now() - began, used = cpu() - cpu_0;
    if (handshakes) {
        printf("handshakes=%llu\nhandshakes_per_s=%.0f\ncpu_us_per_handshake=%.2f\n",
               (unsigned long long)upgrades, double(upgrades) / took, used * 1e6 / double(std::max<uint64_t>(upgrades, 1)));
    } else if (idle) {
        printf("connections=%zu\npongs=%llu\n", opened.size(), (unsigned long long)pongs);
    } else {
        printf("round_trips=%llu\nround_trips_per_s=%.0f\ncpu_s_per_million=%.3f\n",
               (unsigned long long)round_trips, double(round_trips) / took,
               used * 1e6 / double(std::max<uint64_t>(round_trips, 1)));
        if (every > 0) print_lateness();
    }
    printf("seconds=%.3f\ncpu_s=%.3f\ncpu_s_all=%.3f\nrss_kb=%ld\n", took, used, cpu(), rss_kb());
    return 0;
}

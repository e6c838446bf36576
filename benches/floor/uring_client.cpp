// The floor again, through io_uring instead of epoll: what batched submission and multishot receive could
// save at best. Nothing uses it; results/bench/io_uring.md says what was found. 127.0.0.1 only.
//
//   uring_client PORT [--clients N] [--seconds D] [--ring plain|coop|defer] [--wait N]
//                     [--reactor | --receive-by-epoll]
//
// One masked 64-byte text frame in flight on each of N connections for D seconds, as floor_client does.
// --ring              how the kernel runs the ring's work: by interrupting us (plain), at our next system call
//                     (coop), or only when we ask for it (defer, the default).
// --wait N            sleeps until N replies are there, not one: at most one a connection.
// --reactor           sleeps in epoll_wait on the ring's eventfd: the shape it would have under tokio.
// --receive-by-epoll  the ring only batches the sends: epoll and recv for the rest.
//
// Prints `name=value` lines, as floor_client. Raw system calls, no liburing.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

static const unsigned SUBMISSIONS = 1024, COMPLETIONS = 8192;
static const unsigned BUFFERS = 1024, BUFFER_SIZE = 512;  // a power of two
static const uint64_t SEND = 1ull << 32;                  // in user_data, above the index of the connection
static const size_t READ_SIZE = 64 << 10, PAYLOAD = 64;

struct Connection { int fd = -1; uint32_t missing = 0; };  // bytes of the reply still to come

static int port, clients = 100;
static double seconds = 10;
static unsigned wait_for = 1, ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
static bool by_reactor, by_epoll;
static std::vector<Connection> connections;
static std::string request, frame;
static uint64_t round_trips, wakes, enters, rearms;
static char buffer[READ_SIZE];

static int ring, poller;
static unsigned *sq_tail, *sq_array, sq_mask, *cq_head, *cq_tail, cq_mask;
static unsigned prepared, submitted, given;               // submissions, and buffers given to the kernel
static io_uring_sqe *sqes;
static io_uring_cqe *cqes;
static io_uring_buf *buffer_ring;
static char *buffers;

[[noreturn]] static void die(const char *what) { perror(what); exit(3); }
[[noreturn]] static void fail(const char *what) { fprintf(stderr, "uring_client: %s\n", what); exit(3); }

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

static void *map(size_t size, int fd, off_t offset) {
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *at = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, offset);
    if (at == MAP_FAILED) die("mmap");
    return at;
}

static void register_with_ring(unsigned what, void *argument) {
    if (syscall(__NR_io_uring_register, ring, what, argument, 1)) die("io_uring_register");
}

static void open_ring() {
    io_uring_params p{};
    p.flags = ring_flags | IORING_SETUP_CQSIZE;
    p.cq_entries = COMPLETIONS;
    ring = int(syscall(__NR_io_uring_setup, SUBMISSIONS, &p));
    if (ring < 0) die("io_uring_setup");
    // Both rings are in one mapping since 5.4.
    size_t submissions_end = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    size_t completions_end = p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe);
    char *at = (char *)map(std::max(submissions_end, completions_end), ring, IORING_OFF_SQ_RING);
    sqes = (io_uring_sqe *)map(p.sq_entries * sizeof(io_uring_sqe), ring, IORING_OFF_SQES);
    sq_tail = (unsigned *)(at + p.sq_off.tail);
    sq_mask = *(unsigned *)(at + p.sq_off.ring_mask);
    sq_array = (unsigned *)(at + p.sq_off.array);
    for (unsigned i = 0; i <= sq_mask; i++) sq_array[i] = i;
    cq_head = (unsigned *)(at + p.cq_off.head);
    cq_tail = (unsigned *)(at + p.cq_off.tail);
    cq_mask = *(unsigned *)(at + p.cq_off.ring_mask);
    cqes = (io_uring_cqe *)(at + p.cq_off.cqes);
}

static void enter(unsigned wait, unsigned flags) {
    __atomic_store_n(sq_tail, prepared, __ATOMIC_RELEASE);
    enters++;
    long n = syscall(__NR_io_uring_enter, ring, prepared - submitted, wait, flags, nullptr, 0);
    if (n < 0 && errno != EINTR) die("io_uring_enter");
    if (n > 0) submitted += unsigned(n);
}

static io_uring_sqe *prepare(uint8_t operation, size_t index) {
    while (prepared - submitted > sq_mask) enter(0, 0);
    io_uring_sqe *s = &sqes[prepared++ & sq_mask];
    memset(s, 0, sizeof *s);
    s->opcode = operation;
    s->fd = connections[index].fd;
    s->user_data = index;
    return s;
}

static void send_by_ring(size_t index) {
    connections[index].missing = uint32_t(frame.size() - 4);
    io_uring_sqe *s = prepare(IORING_OP_SEND, index);
    s->addr = uint64_t(frame.data());
    s->len = uint32_t(frame.size());
    s->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    s->flags = IOSQE_CQE_SKIP_SUCCESS;
    s->user_data |= SEND;
}

// Stays armed for all that comes; each piece arrives in a buffer the kernel chooses of ours.
static void receive_by_ring(size_t index) {
    io_uring_sqe *s = prepare(IORING_OP_RECV, index);
    s->flags = IOSQE_BUFFER_SELECT;
    s->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
}

static void give(unsigned id) {
    io_uring_buf *b = &buffer_ring[given++ & (BUFFERS - 1)];
    b->addr = uint64_t(buffers + size_t(id) * BUFFER_SIZE);
    b->len = BUFFER_SIZE;
    b->bid = uint16_t(id);
}

// The tail of a buffer ring lies in the spare field of its first entry.
static void publish_given() { __atomic_store_n(&buffer_ring[0].resv, uint16_t(given), __ATOMIC_RELEASE); }

static void open_buffers() {
    buffer_ring = (io_uring_buf *)map(BUFFERS * sizeof(io_uring_buf), -1, 0);
    buffers = (char *)map(size_t(BUFFERS) * BUFFER_SIZE, -1, 0);
    io_uring_buf_reg r{};
    r.ring_addr = uint64_t(buffer_ring);
    r.ring_entries = BUFFERS;
    register_with_ring(IORING_REGISTER_PBUF_RING, &r);
    for (unsigned id = 0; id < BUFFERS; id++) give(id);
    publish_given();
}

// Whether the reply is whole.
static bool take(size_t index, const char *bytes, ssize_t got) {
    Connection &c = connections[index];
    if (got <= 0) fail("the server closed a connection");
    if (c.missing == frame.size() - 4 && uint8_t(bytes[0]) != 0x81) fail("not an echo");
    if (size_t(got) > c.missing) fail("more than an echo");
    c.missing -= uint32_t(got);
    round_trips += c.missing == 0;
    return c.missing == 0;
}

static void completed(const io_uring_cqe &c) {
    size_t index = uint32_t(c.user_data);
    if (c.user_data & SEND) fail("a send failed or was short");
    bool buffered = c.flags & IORING_CQE_F_BUFFER;
    if (!buffered && c.res != -ENOBUFS) fail("the server closed a connection");
    if (!(c.flags & IORING_CQE_F_MORE)) {     // out of buffers: they are back by the next enter
        rearms++;
        receive_by_ring(index);
    }
    if (!buffered) return;
    unsigned id = c.flags >> IORING_CQE_BUFFER_SHIFT;
    bool whole = take(index, buffers + size_t(id) * BUFFER_SIZE, c.res);
    give(id);
    if (whole) send_by_ring(index);
}

static bool drain() {
    unsigned head = *cq_head, tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE), before = head;
    for (; head != tail; head++) completed(cqes[head & cq_mask]);
    __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    if (buffer_ring) publish_given();
    return head != before;
}

static void watch(int fd, uint32_t events, size_t index) {
    epoll_event e{};
    e.events = events;
    e.data.u64 = index;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

static void ring_turn() {
    if (!by_reactor) {
        enter(wait_for, IORING_ENTER_GETEVENTS);
        drain();
        return;
    }
    epoll_event e;
    epoll_wait(poller, &e, 1, 1000);
    do enter(0, IORING_ENTER_GETEVENTS);
    while (drain());
}

static void epoll_turn() {
    static epoll_event events[512];
    int n = epoll_wait(poller, events, 512, 1000);
    for (int i = 0; i < n; i++) {
        size_t index = events[i].data.u64;
        ssize_t got = recv(connections[index].fd, buffer, READ_SIZE, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        if (take(index, buffer, got)) send_by_ring(index);
    }
    if (n > 0) enter(0, IORING_ENTER_GETEVENTS);
    drain();
}

static void dial(Connection &c) {
    int on = 1;
    c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c.fd < 0) die("socket");
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(uint16_t(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(c.fd, (sockaddr *)&a, sizeof a)) die("connect");
    if (send(c.fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size())) die("send of the upgrade");
    ssize_t got = recv(c.fd, buffer, READ_SIZE, 0);
    if (got < 12 || memcmp(buffer, "HTTP/1.1 101", 12)) fail("the upgrade was refused");
    if (memcmp(buffer + got - 4, "\r\n\r\n", 4)) fail("the 101 came in pieces or with frames");
}

static std::string masked_frame() {
    const char key[4] = {0x12, 0x34, 0x56, 0x78};
    std::string f = {char(0x81), char(0x80 | PAYLOAD)};
    f.append(key, 4);
    for (size_t i = 0; i < PAYLOAD; i++) f += char('x' ^ key[i & 3]);
    return f;
}

static bool read_flags(int argc, char **argv) {
    port = argc > 1 ? atoi(argv[1]) : 0;
    bool good = port > 0 && port < 65536;
    for (int i = 2; good && i < argc; i++) {
        std::string flag = argv[i];
        if (flag == "--reactor") by_reactor = true;
        else if (flag == "--receive-by-epoll") by_epoll = true;
        else if (i + 1 == argc) good = false;
        else {
            std::string value = argv[++i];
            if (flag == "--clients") good = (clients = atoi(value.c_str())) > 0;
            else if (flag == "--seconds") good = (seconds = atof(value.c_str())) > 0;
            else if (flag == "--wait") good = (wait_for = unsigned(atoi(value.c_str()))) > 0;
            else if (flag == "--ring" && value == "plain") ring_flags = 0;
            else if (flag == "--ring" && value == "coop") ring_flags = IORING_SETUP_COOP_TASKRUN;
            else good = flag == "--ring" && value == "defer";
        }
    }
    return good && clients <= 65000 && seconds <= 3600 && wait_for <= unsigned(clients);
}

int main(int argc, char **argv) {
    if (!read_flags(argc, argv)) {
        fprintf(stderr, "usage: uring_client PORT [--clients N] [--seconds D] [--ring plain|coop|defer] [--wait N] "
                        "[--reactor | --receive-by-epoll]\n");
        return 2;
    }
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    request = "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
              "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    frame = masked_frame();
    connections.resize(size_t(clients));
    for (Connection &c : connections) dial(c);
    open_ring();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (by_reactor) {
        int news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        register_with_ring(IORING_REGISTER_EVENTFD, &news);
        watch(news, EPOLLIN | EPOLLET, 0);
    }
    if (!by_epoll) open_buffers();

    double cpu_0 = cpu(), began = now();
    for (size_t i = 0; i < connections.size(); i++) {
        if (by_epoll) watch(connections[i].fd, EPOLLIN, i);
        else receive_by_ring(i);
    }
    for (size_t i = 0; i < connections.size(); i++) send_by_ring(i);
    enter(0, IORING_ENTER_GETEVENTS);
    drain();
    for (; now() < began + seconds; wakes++) by_epoll ? epoll_turn() : ring_turn();
    double took = now() - began, used = cpu() - cpu_0;
    printf("round_trips=%llu\nround_trips_per_s=%.0f\ncpu_s_per_million=%.3f\n", (unsigned long long)round_trips,
           double(round_trips) / took, used * 1e6 / double(round_trips ? round_trips : 1));
    printf("seconds=%.3f\ncpu_s=%.3f\nwakes=%llu\nenters=%llu\nrearms=%llu\n", took, used, (unsigned long long)wakes,
           (unsigned long long)enters, (unsigned long long)rearms);
    return 0;
}

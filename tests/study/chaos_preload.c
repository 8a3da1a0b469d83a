/* A wall clock that jumps and a disk that is slow, for the processes that load this before the C library.
 *
 * CHAOS_CONTROL names a file of two doubles: seconds by which the wall clock is wrong, and seconds that every fsync,
 * rename and write to a regular file takes longer. It may change at any time. Waits until a moment of the wall clock
 * are translated, so that they end when the wrong clock says so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control { double clock, disk; };
static const struct control right;
static volatile const struct control *control = &right;

/* No monotonic clock of a machine is so late: such a moment is one of the wall clock. */
#define WALL 1000000000

__attribute__((constructor)) static void load(void)
{
    const char *name = getenv("CHAOS_CONTROL");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *found = mmap(0, sizeof(struct control), PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED)
        control = found;
    close(file);
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

#define NEXT(name) ({ static __typeof__(&name) found; if (!found) found = next(#name); found; })

static void shift(struct timespec *moment, double seconds)
{
    moment->tv_sec += (time_t)seconds; /* whole seconds alone */
}

static const struct timespec *true_moment(const struct timespec *moment, struct timespec *room)
{
    if (!moment || moment->tv_sec < WALL)
        return moment;
    *room = *moment;
    shift(room, -control->clock);
    return room;
}

/* Some libraries wait by the system call itself. */
long syscall(long number, ...)
{
    struct timespec room;
    long words[6];
    va_list list;
    va_start(list, number);
    for (int word = 0; word < 6; word++)
        words[word] = va_arg(list, long);
    va_end(list);
    if (number == SYS_futex && words[1] & FUTEX_CLOCK_REALTIME)
        words[3] = (long)true_moment((const struct timespec *)words[3], &room);
    return NEXT(syscall)(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int clock_gettime(clockid_t clock, struct timespec *moment)
{
    int result = syscall(SYS_clock_gettime, clock, moment);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        shift(moment, control->clock);
    return result;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone)
{
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    moment->tv_sec = found.tv_sec;
    moment->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (result)
        *result = found.tv_sec;
    return found.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static int (*found)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec room;
    if (!found && !(found = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2")))
        found = next("pthread_cond_timedwait");
    return found(condition, mutex, true_moment(until, &room));
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *until)
{
    struct timespec room;
    return NEXT(pthread_cond_clockwait)(condition, mutex, clock, true_moment(until, &room));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
    struct timespec room;
    return NEXT(pthread_mutex_timedlock)(mutex, true_moment(until, &room));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec room;
    return NEXT(sem_timedwait)(semaphore, true_moment(until, &room));
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until)
{
    struct timespec room;
    return NEXT(sem_clockwait)(semaphore, clock, true_moment(until, &room));
}

static void drag(double seconds)
{
    struct timespec rest = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};
    int before = errno;
    if (seconds > 0)
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &rest, 0);
    errno = before;
}

static void drag_file(int file)
{
    struct stat found;
    if (control->disk > 0 && !fstat(file, &found) && S_ISREG(found.st_mode))
        drag(control->disk);
}

int fsync(int file)
{
    drag(control->disk);
    return NEXT(fsync)(file);
}

int rename(const char *from, const char *to)
{
    drag(control->disk);
    return NEXT(rename)(from, to);
}

ssize_t write(int file, const void *bytes, size_t count)
{
    drag_file(file);
    return NEXT(write)(file, bytes, count);
}

"""Seccomp filters: which system calls a process may still make (Linux, x86-64 and AArch64).

Two filters, both in the kernel's classic BPF: an allow-list for the process of one reward program, which computes and
answers and needs next to nothing, and a deny-list for a whole sandbox, in which Python, torch and MuJoCo
must run. A refused call fails with EPERM (ENOSYS for ``clone3`` and ``io_uring``, whose callers then fall back).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple

from envreward.errors import SandboxError

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86-64, AArch64), from the kernel's syscall tables; None where an architecture lacks it
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215),
    "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "ioctl": (16, 29), "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "access": (21, None),
    "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233), "nanosleep": (35, 101),
    "getpid": (39, 172), "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "exit": (60, 93), "uname": (63, 160), "fcntl": (72, 25), "getcwd": (79, 17), "readlink": (89, None),
    "gettimeofday": (96, 169), "getrlimit": (97, 163), "sysinfo": (99, 179), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177), "getppid": (110, 173),
    "sigaltstack": (131, 132), "arch_prctl": (158, None), "gettid": (186, 178), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "getdents64": (217, 61), "restart_syscall": (219, 128),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "exit_group": (231, 94),
    "openat": (257, 56), "newfstatat": (262, 79), "readlinkat": (267, 78), "faccessat": (269, 48),
    "pselect6": (270, 72), "ppoll": (271, 73), "set_robust_list": (273, 99), "prlimit64": (302, 261),
    "getcpu": (309, 168), "getrandom": (318, 278), "membarrier": (324, 283), "statx": (332, 291), "rseq": (334, 293),
    "faccessat2": (439, 439),
    "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33),
    "ptrace": (101, 117), "syslog": (103, 116), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "acct": (163, 89), "settimeofday": (164, 170), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None),
    "ioperm": (173, None), "init_module": (175, 105), "delete_module": (176, 106), "quotactl": (179, 60),
    "kexec_load": (246, 104), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "unshare": (272, 97), "perf_event_open": (298, 241), "open_by_handle_at": (304, 265), "setns": (308, 268),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "finit_module": (313, 273),
    "kexec_file_load": (320, 294), "bpf": (321, 280), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432),
    "clone3": (435, 435), "pidfd_getfd": (438, 438), "mount_setattr": (442, 442),
}  # fmt: skip

_COMPUTE = """
    read write close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
    pread64 readv writev access select sched_yield mremap madvise nanosleep getpid exit uname getcwd readlink
    gettimeofday getrlimit sysinfo getuid getgid geteuid getegid getppid sigaltstack arch_prctl gettid futex
    sched_getaffinity getdents64 restart_syscall clock_gettime clock_getres clock_nanosleep exit_group newfstatat
    readlinkat faccessat pselect6 ppoll set_robust_list getcpu getrandom membarrier statx rseq faccessat2
"""
_DENIED = """
    symlink symlinkat mknod mknodat ptrace syslog mount umount2 pivot_root chroot acct settimeofday swapon swapoff
    reboot sethostname setdomainname iopl ioperm init_module delete_module quotactl kexec_load add_key request_key
    keyctl unshare perf_event_open open_by_handle_at setns process_vm_readv process_vm_writev finit_module
    kexec_file_load bpf userfaultfd open_tree move_mount fsopen fsmount pidfd_getfd mount_setattr
"""
_LINKS = ("symlink", "symlinkat", "mknod", "mknodat")

_CLONE_NEW = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_LD, _JEQ, _JSET, _JGE, _RET = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1, _ARG2 = 0, 4, 16, 24, 32


class _Instruction(NamedTuple):
    code: int
    jump_true: int
    jump_false: int
    value: int


def compute_filter() -> bytes | None:
    """Return the filter for a process that only computes: no sockets, processes, signals, or writing of files.

    It may still read files, as torch imports parts of itself when first needed; which files there are is the
    sandbox's affair.

    Returns:
        Packed instructions, or ``None`` on an architecture without a table.
    """
    head = _head()
    if head is None:
        return None
    program = [*head]
    program += _when("openat", _argument(_ARG2, _JSET, _WRITING, _refuse(errno.EACCES), _allow()))
    program += _when("fcntl", _argument(_ARG1, _JEQ, 3, _allow(), _refuse(errno.EPERM)))  # F_GETFL
    program += _when("ioctl", _argument(_ARG1, _JEQ, 0x5401, _allow(), _refuse(errno.EPERM)))  # TCGETS, by open()
    # prlimit64 with a new limit could change another process's; its pointer's low half is 0 only for a mere query.
    program += _when("prlimit64", _argument(_ARG2, _JEQ, 0, _allow(), _refuse(errno.EPERM)))
    for name in _COMPUTE.split():
        program += _when(name, [_allow()])
    return _pack([*program, _refuse(errno.EPERM)])


def sandbox_filter(*, links: bool = False) -> bytes | None:
    """Return the filter for a whole sandbox: no namespaces, mounts, tracing, kernel keys or modules.

    Args:
        links: Whether symbolic links and named pipes may be made, by which a later reader of its folder could be led
            astray or made to wait; for readers who reckon with them.

    Returns:
        Packed instructions, or ``None`` on an architecture without a table.
    """
    head = _head()
    if head is None:
        return None
    program = [*head]
    program += _when("clone3", [_refuse(errno.ENOSYS)])  # its flags lie in memory that a filter cannot see
    program += _when("io_uring_setup", [_refuse(errno.ENOSYS)])
    program += _when("clone", _argument(_ARG0, _JSET, _CLONE_NEW, _refuse(errno.EPERM), _allow()))
    for request in (_TIOCSTI, _TIOCLINUX):
        program += _when("ioctl", _argument(_ARG1, _JEQ, request, _refuse(errno.EPERM), None))
    for name in _DENIED.split():
        if not (links and name in _LINKS):
            program += _when(name, [_refuse(errno.EPERM)])
    return _pack([*program, _allow()])


def install(program: bytes) -> None:
    """Put a filter on the calling process, for good; its children inherit it.

    Raises:
        SandboxError: The kernel refused it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, header, 0, 0):  # NO_NEW_PRIVS; SECCOMP, MODE_FILTER
        raise SandboxError(f"seccomp filter refused: {os.strerror(ctypes.get_errno())}")


def _head() -> list[_Instruction] | None:
    """Check the architecture and load the number; on x86-64 the x32 numbers are refused."""
    entry = _ARCHITECTURES.get(platform.machine())
    if entry is None:
        return None
    wrong = _Instruction(_RET, 0, 0, _KILL)
    head = [_Instruction(_LD, 0, 0, _ARCH), _Instruction(_JEQ, 1, 0, entry[0]), wrong, _Instruction(_LD, 0, 0, _NR)]
    return [*head, _Instruction(_JGE, 0, 1, 0x40000000), _refuse(errno.ENOSYS)]


def _when(name: str, then: list[_Instruction]) -> list[_Instruction]:
    """Run ``then`` for the system call ``name``; whatever it does, the number is loaded again for what follows."""
    number = _NUMBERS[name][_ARCHITECTURES[platform.machine()][1]]
    if number is None:
        return []
    return [_Instruction(_JEQ, 0, len(then), number), *then]


def _argument(
    offset: int, test: int, value: int, if_true: _Instruction, if_false: _Instruction | None
) -> list[_Instruction]:
    """Decide by an argument's low half; ``if_false=None`` goes on with the rest of the program."""
    load = [_Instruction(_LD, 0, 0, offset), _Instruction(test, 0, 1, value), if_true]
    return [*load, if_false] if if_false is not None else [*load, _Instruction(_LD, 0, 0, _NR)]


def _allow() -> _Instruction:
    return _Instruction(_RET, 0, 0, _ALLOW)


def _refuse(error: int) -> _Instruction:
    return _Instruction(_RET, 0, 0, _ERRNO | error)


def _pack(program: list[_Instruction]) -> bytes:
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)

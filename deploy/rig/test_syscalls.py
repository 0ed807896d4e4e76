"""Tests of what is read from traces and profiles: python3 -m unittest discover -s deploy -t deploy"""

import pathlib
import unittest

from rig import profiles, syscalls

PROFILE = {
    "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}]},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    ]
}
TRACE = """\
71 execve("./holdfast", ["./holdfast"], 0x7ffd /* 9 vars */) = 0
71 clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD, exit_signal=0}, 88) = -1 ENOSYS (Function not implemented) (INJECTED)
71 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_FS|CLONE_THREAD <unfinished ...>
72 read(3,  <unfinished ...>
71 <... clone resumed>, parent_tid=[72]) = 72
72 <... read resumed>"write(4)", 8) = 8
72 socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 5
72 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---
72 +++ exited with 0 +++
"""
# What AArch64 has in the place of calls that it lacks. The profile is for both: libseccomp passes over the names that
# an architecture has not.
ON_AARCH64 = {
    "access": "faccessat",
    "chmod": "fchmodat",
    "dup2": "dup3",
    "epoll_wait": "epoll_pwait",
    "lstat": "newfstatat",
    "open": "openat",
    "poll": "ppoll",
    "readlink": "readlinkat",
    "stat": "newfstatat",
    "unlink": "unlinkat",
}


class Syscalls(unittest.TestCase):
    def test_calls_are_read_whether_or_not_they_were_interrupted(self):
        self.assertEqual(syscalls.called(TRACE), {"execve", "clone3", "clone", "read", "socket(AF_NETLINK)"})

    def test_a_new_namespace_is_not_taken_for_a_thread(self):
        made = "71 clone(child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD) = 72\n"
        self.assertEqual(syscalls.called(made), {"clone", "clone(CLONE_NEWUSER)"})

    def test_a_profile_allows_sockets_by_family(self):
        self.assertEqual(profiles.allowed(PROFILE), {"read", "write", "socket(AF_UNIX)", "socket(AF_INET6)"})

    def test_what_a_profile_refuses_by_name_is_not_allowed(self):
        self.assertEqual(profiles.refused(PROFILE), {"clone3": "ENOSYS"})

    def test_the_variants_of_the_profile_refuse_io_uring_and_nothing_else(self):
        profile = profiles.load(pathlib.Path(__file__).resolve().parent.parent / "seccomp.json")
        blocked = profiles.blocking(profile, 1)
        self.assertEqual(profiles.allowed(profile) - profiles.allowed(blocked), set(profiles.IO_URING))
        self.assertLess(set(profiles.IO_URING), set(profiles.refused(blocked)))

    def test_the_profile_is_for_both_architectures(self):
        profile = profiles.load(pathlib.Path(__file__).resolve().parent.parent / "seccomp.json")
        named = {entry["architecture"] for entry in profile["archMap"]}
        self.assertEqual(named, {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"})
        allowed = profiles.allowed(profile)
        lacking = {there for here, there in ON_AARCH64.items() if here in allowed and there not in allowed}
        self.assertEqual(lacking, set())


if __name__ == "__main__":
    unittest.main()

#!/bin/busybox sh
# The first process of the guest. Results go to the second serial port, kernel messages and stderr to the first.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
chmod 1777 /tmp
. /suite/environment
stty -F "$RESULTS" raw -echo
exec </dev/null >"$RESULTS" 2>/dev/console

# A place for cgroups with a memory limit, version 2, in which an ordinary user may make some.
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/suite/tests
echo $$ >/sys/fs/cgroup/suite/tests/cgroup.procs
echo +memory >/sys/fs/cgroup/suite/cgroup.subtree_control
chown -R tester /sys/fs/cgroup/suite

ip link set lo up
ulimit -n 20000
ulimit -l 8192
ulimit -c 0
echo "@@ kernel $(uname -r)"

# An ordinary user, so that RLIMIT_MEMLOCK counts; each line of the list: label, working directory, program, arguments.
while read -r label directory program arguments; do
    echo "@@ begin $label $(cut -d ' ' -f 1 /proc/uptime)"
    cd "$directory"
    timeout -s KILL "$BINARY_SECONDS_MAX" su tester -c "exec $program $arguments" </dev/null
    status=$?
    # What the program started and left behind must not meet the next one.
    kill -KILL -1
    echo
    echo "@@ end $label $status $(cut -d ' ' -f 1 /proc/uptime)"
done </suite/list

printf '@@ done\n\n'
# Setting the port again waits until everything written to it is out.
stty -F "$RESULTS" raw -echo
sync
poweroff -f

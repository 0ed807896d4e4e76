package main

import (
	"log"
	"net"
	"sync"
	"syscall"
)

const eventsMax = 1024

// One epoll instance and the goroutine that waits on it.
type loop struct {
	epoll       int
	mutex       sync.RWMutex
	connections map[int32]*connection
}

func newLoop() (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &loop{epoll: epoll, connections: make(map[int32]*connection)}, err
}

func (l *loop) add(connection *connection) error {
	descriptor, err := descriptor(connection)
	if err != nil {
		return err
	}
	l.mutex.Lock()
	l.connections[descriptor] = connection
	l.mutex.Unlock()
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: descriptor}
	if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, int(descriptor), &event); err != nil {
		l.forget(descriptor)
		return err
	}
	return nil
}

func (l *loop) forget(descriptor int32) {
	l.mutex.Lock()
	delete(l.connections, descriptor)
	l.mutex.Unlock()
}

func (l *loop) run() {
	events := make([]syscall.EpollEvent, eventsMax)
	for {
		count, err := syscall.EpollWait(l.epoll, events, -1)
		if err != nil && err != syscall.EINTR {
			log.Fatal(err)
		}
		for i := 0; i < count; i++ {
			l.ready(events[i].Fd)
		}
	}
}

func (l *loop) ready(descriptor int32) {
	l.mutex.RLock()
	connection := l.connections[descriptor]
	l.mutex.RUnlock()
	if err := connection.ready(); err != nil {
		// Forgotten first: closed, its number is free for the next connection. Closing ends the registration too.
		l.forget(descriptor)
		connection.Close()
	}
}

func descriptor(connection *connection) (int32, error) {
	raw, err := connection.UnderlyingConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var descriptor int32
	err = raw.Control(func(number uintptr) { descriptor = int32(number) })
	return descriptor, err
}

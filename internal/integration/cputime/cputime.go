// Package cputime tells what processes have had of processors, which is true on a busy machine as well.
package cputime

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc, the same on every Linux (USER_HZ).
const tick = time.Second / 100

// Of returns the time that a process, its children and those of them that have ended have had on processors, as the
// processes of PostgreSQL are children of one. It is for Linux.
func Of(pid int) (time.Duration, error) {
	all, err := stats()
	if err != nil {
		return 0, err
	}
	var total time.Duration
	found := false
	for _, s := range all {
		switch pid {
		case s.pid:
			total += s.own + s.children
			found = true
		case s.parent:
			total += s.own
		}
	}
	if !found {
		return 0, fmt.Errorf("there is no process %d", pid)
	}
	return total, nil
}

// OfNamespace returns the time that all processes in the process namespace of a process have had, those that have ended
// included, as in a container. It is for Linux.
func OfNamespace(pid int) (time.Duration, error) {
	namespace := func(pid int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)) }
	own, err := namespace(pid)
	if err != nil {
		return 0, err
	}
	all, err := stats()
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, s := range all {
		if in, err := namespace(s.pid); err == nil && in == own {
			total += s.own + s.children
		}
	}
	return total, nil
}

type stat struct {
	pid, parent   int
	own, children time.Duration
}

// stats are those of all processes.
func stats() ([]stat, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []stat
	for _, n := range names {
		if _, err := strconv.Atoi(n.Name()); err != nil {
			continue
		}
		if s, err := statOf(n.Name()); err == nil { // otherwise it has ended
			all = append(all, s)
		}
	}
	return all, nil
}

func statOf(pid string) (stat, error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return stat{}, err
	}
	// The name of the program comes in parentheses, and may have some of its own.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return stat{}, errors.New("too few fields")
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	id, _ := strconv.Atoi(pid)
	// Fields 14 to 17 of proc(5), of which the first two are gone: utime, stime, cutime, cstime.
	return stat{
		pid: id, parent: int(number(1)),
		own: time.Duration(number(11)+number(12)) * tick, children: time.Duration(number(13)+number(14)) * tick,
	}, nil
}

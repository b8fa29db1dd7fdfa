package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// process is a process that is measured together with its children, such as those of PostgreSQL.
type process struct {
	name string
	pid  int
}

// tick is the unit of the times in /proc, the same on every Linux (USER_HZ).
const tick = time.Second / 100

// used returns the time that each process, its children and those of them that have ended have had on processors.
func used(processes []process) ([]time.Duration, error) {
	if len(processes) == 0 {
		return nil, nil
	}
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	total := make([]time.Duration, len(processes))
	for _, n := range names {
		if _, err := strconv.Atoi(n.Name()); err != nil {
			continue
		}
		s, ok := statOf(n.Name())
		for i, p := range processes {
			switch {
			case ok && s.pid == p.pid:
				total[i] += s.own + s.children
			case ok && s.parent == p.pid:
				total[i] += s.own
			}
		}
	}
	for i, t := range total {
		if t == 0 {
			return nil, fmt.Errorf("process %d (%s) has had no time", processes[i].pid, processes[i].name)
		}
	}
	return total, nil
}

type stat struct {
	pid, parent   int
	own, children time.Duration
}

func statOf(pid string) (stat, bool) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return stat{}, false // it has ended
	}
	// The name of the program comes in parentheses, and may have some of its own.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return stat{}, false
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
	}, true
}

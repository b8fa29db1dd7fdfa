package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// drive is a load on one server.
type drive struct {
	*client
	server, database string
	scenarios        []string
	apps             *apps
	tokens           []string
	clients          []int     // closed loops, one after the other
	rates            []float64 // open arrivals a second; a negative one is a share of what the most clients got through
	warm, length     time.Duration
	processes        []process // whose time on processors is measured

	mu       sync.Mutex
	signedIn []signedIn
}

type signedIn struct {
	*browser
	account string
}

// result is one line of the raw results. Latencies are in milliseconds.
type result struct {
	Server    string             `json:"server"`
	Database  string             `json:"database"`
	Scenario  string             `json:"scenario"`
	Clients   int                `json:"clients,omitempty"` // closed: each sends the next when the last is answered
	Rate      float64            `json:"rate,omitempty"`    // open: arrivals a second, at random (Poisson)
	Seconds   float64            `json:"seconds"`
	Done      int                `json:"done"`
	PerSecond float64            `json:"per_second"`
	Failed    int                `json:"failed,omitempty"` // such as 503 where a server has too much to do; not among the others
	Fault     string             `json:"fault,omitempty"`  // the first
	P50       float64            `json:"p50_ms"`
	P95       float64            `json:"p95_ms"`
	P99       float64            `json:"p99_ms"`
	Worst     float64            `json:"worst_ms"`
	Verified  int                `json:"verified,omitempty"` // sessions that were looked at afterwards
	CPU       map[string]float64 `json:"cpu_us,omitempty"`   // of processes by name, for each one that is done
}

// run measures each scenario and writes a line for each run.
func (d *drive) run(out io.Writer) error {
	for _, scenario := range d.scenarios {
		one, err := d.request(scenario)
		if err != nil {
			return err
		}
		closed(slices.Max(d.clients), d.warm, one, new(times))
		if err := d.runs(scenario, one, json.NewEncoder(out)); err != nil {
			return err
		}
	}
	return nil
}

func (d *drive) runs(scenario string, one func() error, out *json.Encoder) error {
	most := 0.0
	for _, clients := range d.clients {
		r, err := d.measure(func(t *times) { closed(clients, d.length, one, t) })
		if err != nil {
			return err
		}
		r.Scenario, r.Clients, most = scenario, clients, max(most, r.PerSecond)
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	for _, rate := range d.rates {
		if rate < 0 {
			rate *= -most
		}
		r, err := d.measure(func(t *times) { open(rate, d.length, one, t) })
		if err != nil {
			return err
		}
		r.Scenario, r.Rate = scenario, round(rate)
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// errNoCode ends a run early: every account has used the codes that are right now.
var errNoCode = errors.New("no account has a code that is not used: take more accounts")

// request returns what one arrival does.
func (d *drive) request(scenario string) (func() error, error) {
	switch scenario {
	case "sign-in":
		return d.signIn, nil
	case "token check":
		return d.tokenCheck()
	case "review page":
		return d.reviewPage()
	}
	return nil, fmt.Errorf("no scenario %q", scenario)
}

func (d *drive) signIn() error {
	account, code, ok := d.apps.code()
	if !ok {
		return errNoCode
	}
	b := d.browser()
	if err := b.signIn(account, code); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.signedIn = append(d.signedIn, signedIn{b, account})
	return nil
}

func (d *drive) tokenCheck() (func() error, error) {
	if len(d.tokens) == 0 {
		return nil, errors.New("no tokens")
	}
	b := d.browser() // which gets no cookies, and so can be used at once
	return func() error {
		i := rand.IntN(len(d.tokens))
		status, answer, err := b.do(http.MethodGet, "/api/projects", "", "", "Authorization", "Bearer "+d.tokens[i])
		if err == nil && (status != http.StatusOK || string(answer) != fmt.Sprint("robot-", i)) {
			err = fmt.Errorf("a good token was refused: %d %.200s", status, answer)
		}
		return err
	}, nil
}

// reviewPage signs some owners in, and then has each look at the page by turns.
func (d *drive) reviewPage() (func() error, error) {
	owners := make(chan *browser, 200)
	for range cap(owners) {
		account, code, ok := d.apps.code()
		if !ok {
			return nil, errNoCode
		}
		b := d.browser()
		if err := b.signIn(account, code); err != nil {
			return nil, err
		}
		owners <- b
	}
	return func() error {
		b := <-owners
		defer func() { owners <- b }()
		status, answer, err := b.do(http.MethodGet, "/settings/security/", "", "")
		if err == nil && (status != http.StatusOK || !strings.Contains(string(answer), "</html>")) {
			err = fmt.Errorf("no page: %d %.200s", status, answer)
		}
		return err
	}, nil
}

func (d *drive) measure(load func(*times)) (result, error) {
	d.signedIn = nil
	before, err := used(d.processes)
	if err != nil {
		return result{}, err
	}
	var t times
	begin := time.Now()
	load(&t)
	took := time.Since(begin)
	after, err := used(d.processes)
	if err != nil {
		return result{}, err
	}
	if len(t.took) == 0 {
		return result{}, fmt.Errorf("nothing was done: %w", t.fault)
	}
	slices.Sort(t.took)
	r := result{
		Server: d.server, Database: d.database,
		Seconds: round(took.Seconds()), Done: len(t.took), PerSecond: round(float64(len(t.took)) / took.Seconds()),
		Failed: t.failed,
		P50:    t.at(50), P95: t.at(95), P99: t.at(99), Worst: t.at(100),
	}
	if t.failed > 0 {
		r.Fault = t.fault.Error()
	}
	if len(d.processes) > 0 {
		r.CPU = map[string]float64{}
		for name, spent := range after {
			r.CPU[name] = round(float64((spent - before[name]).Microseconds()) / float64(r.Done))
		}
	}
	r.Verified, err = d.verify()
	return r, err
}

// verify asks for some of the sessions, evenly spread, whose they are.
func (d *drive) verify() (int, error) {
	const most = 200
	n := min(most, len(d.signedIn))
	for i := range n {
		s := d.signedIn[i*len(d.signedIn)/n]
		if err := s.isSignedIn(s.account); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// times are the latencies of a run, and what failed.
type times struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
	fault  error // the first
	over   bool  // no account has a code left
}

// add notes what became of a request.
func (t *times) add(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.took = append(t.took, took)
	case errors.Is(err, errNoCode):
		t.over = true
	default:
		t.failed++
		if t.fault == nil {
			t.fault = err
		}
	}
}

func (t *times) isOver() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

// at returns the latency that a share of the requests, in percent, did not exceed.
func (t *times) at(percent int) float64 {
	return round(t.took[(len(t.took)-1)*percent/100].Seconds() * 1000)
}

func round(x float64) float64 { return float64(int64(x*100+0.5)) / 100 }

// closed has so many clients send one request after the other. What waits for a slow server is not sent, so its latencies
// say nothing of a service that is called by people who do not wait for one another.
func closed(clients int, length time.Duration, one func() error, t *times) {
	var wg sync.WaitGroup
	end := time.Now().Add(length)
	for range clients {
		wg.Go(func() {
			for time.Now().Before(end) && !t.isOver() {
				begin := time.Now()
				err := one()
				t.add(time.Since(begin), err)
			}
		})
	}
	wg.Wait()
}

// open sends requests at random moments, so many a second, whatever becomes of those before. A latency counts from the
// moment that was drawn, so that whatever delays the sending, this program included, is part of it.
func open(rate float64, length time.Duration, one func() error, t *times) {
	var wg sync.WaitGroup
	begin := time.Now()
	for at := time.Duration(0); !t.isOver(); {
		at += time.Duration(rand.ExpFloat64() / rate * float64(time.Second))
		if at > length {
			break
		}
		intended := begin.Add(at)
		time.Sleep(time.Until(intended))
		wg.Go(func() {
			err := one()
			t.add(time.Since(intended), err)
		})
	}
	wg.Wait()
}

// tokensIn returns the tokens in a file.
func tokensIn(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	return strings.Split(string(text), "\n"), err
}

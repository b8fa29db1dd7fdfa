//go:build linux && !race

package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// books are what all workers have written.
type books struct {
	mu      sync.Mutex
	records []record
	count   map[outcome]int

	saved    map[int]time.Time    // when the last save of a worker that was acknowledged began
	signedIn map[string]time.Time // when the last sign-in of an account that was acknowledged began

	stored  map[string]marks // what a verdict has last seen, by account
	allowed []span           // when reads may begin that answer with what was true a moment ago
	stale   []record         // those that did
}

type span struct{ from, to time.Time }

// marks only go up.
type marks struct{ last, signIns, noted int64 }

func newBooks() *books {
	return &books{
		count: map[outcome]int{}, saved: map[int]time.Time{}, signedIn: map[string]time.Time{}, stored: map[string]marks{},
	}
}

// listen takes the lines of a worker until it ends.
func (b *books) listen(t *testing.T, from io.Reader) {
	defer func() { _, _ = io.Copy(io.Discard, from) }() // what writes must not wait
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Errorf("a worker writes %q: %v", lines.Text(), err)
			return
		}
		b.note(r)
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the lines of a worker: %v", err)
	}
}

// note adds a record.
func (b *books) note(r record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	b.count[r.Outcome]++
	if r.Outcome != done {
		return
	}
	if r.Do.saves() && r.Begin.After(b.saved[r.Worker]) {
		b.saved[r.Worker] = r.Begin
	}
	if r.Do.signsIn() && r.Begin.After(b.signedIn[r.Account]) {
		b.signedIn[r.Account] = r.Begin
	}
}

// lanes are what the owners of a worker that has ended have.
func (b *books) lanes(worker int) (lanes [][]*owner) {
	for _, r := range b.so() {
		if r.Do == handOver && r.Worker == worker {
			lanes = r.Lanes
		}
	}
	return lanes
}

// so returns the records so far.
func (b *books) so() []record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.records)
}

// saves reports whether a call of a kind writes to the store where it succeeds.
func (w what) saves() bool {
	return !slices.Contains([]what{checkLive, checkEnded, read, challenge, notice, again, handOver}, w)
}

// signsIn reports whether a call of a kind counts as a sign-in where it succeeds.
func (w what) signsIn() bool { return w == signIn || w == recovered }

// hasSaved reports whether a save of a worker was acknowledged that began after a time.
func (b *books) hasSaved(worker int, since time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.saved[worker].After(since)
}

// hasSignedIn reports whether an account was signed in to, by a call that began after a time.
func (b *books) hasSignedIn(account string, since time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.signedIn[account].After(since)
}

// verdict judges all that was written, and compares the store with what was acknowledged until now. The cluster is
// whole.
func (b *books) verdict(t *testing.T, c *cluster) {
	t.Helper()
	records := b.so() // before the store is read
	slices.SortStableFunc(records, func(x, y record) int { return x.End.Compare(y.End) })
	b.once(t, records)
	b.rights(t, records)
	b.fresh(t, records)
	b.counted(t, records)
	b.kept(t, c, records)
}

// once sees that nothing was accepted twice.
func (*books) once(t assert.TestingT, records []record) {
	seen := map[string]record{}
	for _, r := range records {
		if r.Outcome != done {
			continue
		}
		var key string
		switch r.Do {
		case signIn, race:
			key = fmt.Sprint(r.Account, " ", r.ID, " ", r.Step)
		case recovered, raceCode:
			key = fmt.Sprint(r.Account, " ", r.Set, " ", r.Code)
		case rotate:
			key = fmt.Sprint(r.ID, " rotated ", r.Count)
		case again:
			assert.Fail(t, "a challenge was answered twice", "%+v", r)
			continue
		default:
			continue
		}
		if before, ok := seen[key]; ok {
			assert.Fail(t, "accepted twice", "%+v\n%+v", before, r)
		}
		seen[key] = r
	}
}

// rights sees that no owner was denied with a code or a token that was right, fresh and unused. A fault is no denial.
// Of those that race, all but one are denied.
func (*books) rights(t assert.TestingT, records []record) {
	// A sign-in that met a fault may be carried out later, and then ends the next one of the account.
	unknown := map[string]bool{}
	for _, r := range records {
		ends := unknown[r.Account]
		if r.Do.signsIn() || r.Do == lost {
			unknown[r.Account] = r.Outcome == faulty
		}
		switch {
		case r.Outcome == broken:
			assert.Fail(t, "a record cannot be read", "%s", history(records, r))
		case r.Do == race, r.Do == raceCode, r.Do == again, r.Do == checkEnded:
		case ends && r.Do.signsIn():
		case r.Slow && (r.Do == signIn || r.Do == confirm || r.Outcome == refused): // not fresh any more
		case r.Outcome == denied, r.Outcome == refused:
			assert.Fail(t, "an owner was denied", "%s", history(records, r))
		}
	}
}

// history is a record that is wrong, and what led to it.
func history(records []record, wrong record) string {
	var lines []string
	for _, r := range records {
		if r.Account == wrong.Account && !r.Begin.After(wrong.End) && r.Do != notice {
			lines = append(lines, fmt.Sprintf("%s +%s worker %d: %s %s %s step=%d code=%s id=%s count=%d", r.Begin.Format("05.000"),
				r.End.Sub(r.Begin), r.Worker, r.Do, r.Outcome, r.Error, r.Step, r.Code, r.ID, r.Count))
		}
	}
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// fresh sees that every load and check saw what had been acknowledged before it began, but for those of a time when an
// engine may answer a read with what was true a moment ago.
func (b *books) fresh(t assert.TestingT, records []record) {
	last, signIns := map[string]int64{}, map[string]int64{}
	var stale []record
	for _, r := range records { // by their ends: what one lane does to an account is in order
		if r.Outcome != done {
			continue
		}
		switch r.Do {
		case signIn:
			last[r.Account] = max(last[r.Account], r.Step)
			signIns[r.Account]++
		case recovered:
			signIns[r.Account]++
		case read:
			if r.Step < last[r.Account] || r.SignIn < signIns[r.Account] {
				stale = append(stale, r)
			}
		case checkEnded:
			stale = append(stale, r)
		}
	}
	for _, r := range stale {
		if !slices.ContainsFunc(b.allowed, func(s span) bool { return r.Begin.After(s.from) && r.Begin.Before(s.to) }) {
			assert.Fail(t, "a load or a check did not see what had been acknowledged", "%s", history(records, r))
		}
	}
	b.stale = stale
}

// counted sees that between two loads of an account there were as many sign-ins as were acknowledged, unless it is not
// known what came of one.
func (b *books) counted(t assert.TestingT, records []record) {
	type count struct {
		known   bool  // signIns was right at the last load
		signIns int64 // that the account must have
		unknown bool  // a sign-in may still be carried out: until the next one is acknowledged
	}
	stale := func(r record) bool {
		return slices.ContainsFunc(b.stale, func(s record) bool { return s.Account == r.Account && s.Begin.Equal(r.Begin) })
	}
	all := map[string]*count{}
	for _, r := range records {
		n := all[r.Account]
		if n == nil {
			n = &count{}
			all[r.Account] = n
		}
		switch {
		case r.Do == lost, r.Do.signsIn() && r.Outcome == faulty:
			n.known, n.unknown = false, true
		case r.Do.signsIn() && r.Outcome == done:
			n.signIns++
			n.unknown = false
		case r.Do == read && r.Outcome == done && !stale(r):
			if n.known && r.SignIn != n.signIns {
				assert.Fail(t, "sign-ins that are not there, or that nobody has made", "%d, not %d:\n%s", r.SignIn, n.signIns, history(records, r))
			}
			n.known, n.signIns = !n.unknown, r.SignIn
		}
	}
}

// promise is what the store must have of an account.
type promise struct {
	last    int64
	signIns int64
	burned  map[string][]string // codes by set
	set     string              // of recovery codes; "" where a call may have made another one
	auths   map[string]bool     // whether each is there; none where that is not known
	tokens  map[string]*tokenPromise
}

type tokenPromise struct {
	count   int
	revoked bool
}

// promises says what acknowledged calls have promised.
func promises(records []record) map[string]*promise {
	all := map[string]*promise{}
	for _, r := range records {
		if r.Account == "" {
			continue
		}
		p := all[r.Account]
		if p == nil {
			p = &promise{burned: map[string][]string{}, auths: map[string]bool{}, tokens: map[string]*tokenPromise{}}
			all[r.Account] = p
		}
		if p.tokens[r.ID] == nil && (r.Do == mint || r.Do == rotate || r.Do == revoke) && r.Outcome == done {
			p.tokens[r.ID] = &tokenPromise{}
		}
		switch ok := r.Outcome == done; {
		case r.Do == regenerate:
			p.set = r.Set // "" unless it was acknowledged
		case r.Do == lost:
			p.set, p.auths = "", map[string]bool{}
		case r.Do == confirm || r.Do == remove:
			delete(p.auths, r.ID)
			if ok {
				p.auths[r.ID] = r.Do == confirm
			}
		case !ok:
		case r.Do == signIn:
			p.last, p.signIns = max(p.last, r.Step), p.signIns+1
		case r.Do == race:
			p.last = max(p.last, r.Step)
		case r.Do == recovered:
			p.signIns++
			p.burned[r.Set] = append(p.burned[r.Set], r.Code)
		case r.Do == raceCode:
			p.burned[r.Set] = append(p.burned[r.Set], r.Code)
		case r.Do == rotate:
			p.tokens[r.ID].count = max(p.tokens[r.ID].count, r.Count)
		case r.Do == revoke:
			p.tokens[r.ID].revoked = true
		}
	}
	return all
}

// kept compares the store with what was acknowledged.
func (b *books) kept(t *testing.T, c *cluster, records []record) {
	t.Helper()
	ctx := context.Background()
	for id, p := range promises(records) {
		var o *owner
		for _, one := range c.owners {
			if one.ID == id {
				o = one
			}
		}
		a, err := load(c.store, id)
		loaded := time.Now()
		require.NoError(t, err)
		now := marks{lastOf(a, o.Auth), a.SignIns, a.Noted}
		was := b.stored[id]
		assert.GreaterOrEqual(t, now.last, p.last, "%s: an accepted step is not in the store", id)
		assert.GreaterOrEqual(t, now.signIns, p.signIns, "%s: a sign-in is not in the store", id)
		assert.False(t, now.last < was.last || now.signIns < was.signIns || now.noted < was.noted,
			"%s: a counter went back: %+v was %+v", id, now, was)
		b.stored[id] = now
		if p.set != "" && p.set != a.Recovery.ID {
			c.wait(id+": new recovery codes are not in the store", b.later(records, loaded, func(r record) bool {
				return r.Account == id && r.Do == regenerate && (r.Outcome != done || r.Set == a.Recovery.ID)
			}))
		}
		for _, code := range p.burned[a.Recovery.ID] {
			for _, slot := range a.Recovery.Slots {
				assert.False(t, slot.Selector == code[:1] && slot.Hash != "", "%s: a used recovery code can be used again", id)
			}
		}
		for auth, there := range p.auths {
			found := false
			for _, one := range a.Authenticators {
				found = found || one.ID == auth
			}
			if found != there {
				c.wait(fmt.Sprintf("%s: authenticator %s: %t", id, auth, found), b.later(records, loaded, func(r record) bool {
					return r.Account == id && r.ID == auth && (r.Do == confirm || r.Do == remove)
				}))
			}
		}
		for tokenID, want := range p.tokens {
			info, err := c.tok.Get(ctx, id, tokenID)
			require.NoError(t, err, "%s: token %s", id, tokenID)
			assert.GreaterOrEqual(t, info.Rotations, want.count, "%s: a rotation is not in the store", id)
			assert.True(t, !want.revoked || info.State == tokens.StateRevoked, "%s: a revoked token is %s", id, info.State)
		}
	}
}

// later returns nil once there is a record that is newer than some, of a call that had begun when the store was looked at:
// workers go on meanwhile, and what they change is in the store before it is in the books.
func (b *books) later(than []record, looked time.Time, is func(record) bool) func(context.Context) error {
	return func(context.Context) error {
		if slices.ContainsFunc(b.so()[len(than):], func(r record) bool { return r.Begin.Before(looked) && is(r) }) {
			return nil
		}
		return errors.New("no call has changed it")
	}
}

// exercised returns nil once everything has happened that workers do: all was done that has to succeed, all was denied
// that has to be, and of those that raced for one step, one was accepted and another one was not.
func (b *books) exercised(context.Context) error {
	type key struct {
		do  what
		got outcome
	}
	seen, steps := map[key]bool{}, map[string]map[outcome]bool{}
	raced := false
	for _, r := range b.so() {
		seen[key{r.Do, r.Outcome}] = true
		if r.Do != race {
			continue
		}
		step := fmt.Sprint(r.Account, " ", r.Step)
		if steps[step] == nil {
			steps[step] = map[outcome]bool{}
		}
		steps[step][r.Outcome] = true
		raced = raced || steps[step][done] && steps[step][denied]
	}
	for _, do := range everything {
		if want := map[bool]outcome{true: done, false: denied}[do != again && do != checkEnded]; !seen[key{do, want}] {
			return fmt.Errorf("%s: never %s", do, want)
		}
	}
	if !raced {
		return errors.New("nobody has lost a race that another one has won")
	}
	return nil
}

// told sees that owners were told of every recovery code that signed them in, once all notices are delivered.
func (b *books) told(t *testing.T) {
	t.Helper()
	used, told, seen := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, r := range b.so() {
		switch {
		case r.Outcome == done && (r.Do == recovered || r.Do == raceCode):
			used[r.Account]++
		case r.Do == notice && r.Kind == string(event.RecoveryCodeUsed) && !seen[r.ID]:
			seen[r.ID] = true
			told[r.Account] += max(r.Count, 1)
		}
	}
	assert.NotEmpty(t, used)
	for id, n := range used {
		assert.GreaterOrEqual(t, told[id], n, "%s was not told of every recovery code", id)
	}
}

// figures are of the time of one fault.
type figures struct {
	Engine  string        `json:"engine"`
	Fault   string        `json:"fault"`
	Length  time.Duration `json:"length_ns"`   // from the fault to the first success after it was over
	Silence time.Duration `json:"silence_ns"`  // the longest time without a save that was acknowledged, by any worker
	Calls   int           `json:"calls"`       // that ended in this time
	Faults  int           `json:"faults"`      // of those
	Stale   int           `json:"stale_reads"` // of those
}

// figuresOf counts what ended between two moments.
func (b *books) figuresOf(from, to time.Time) (f figures) {
	f.Length = to.Sub(from)
	ends := []time.Time{from, to}
	for _, r := range b.so() {
		if r.Do == notice || r.Do == handOver || r.Do == lost || r.End.Before(from) || r.End.After(to) {
			continue
		}
		f.Calls++
		if r.Outcome == faulty {
			f.Faults++
		}
		if r.Do.saves() && r.Outcome == done {
			ends = append(ends, r.End)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	for i := range ends[1:] {
		f.Silence = max(f.Silence, ends[i+1].Sub(ends[i]))
	}
	return f
}

// usual has the kinds of faults that there were, and how many of each.
func (b *books) usual() string {
	count := map[string]int{}
	for _, r := range b.so() {
		if r.Outcome == faulty && r.Do != lost || r.Outcome == broken {
			count[string(r.Do)+": "+r.Error]++
		}
	}
	var lines []string
	for text, n := range count {
		lines = append(lines, fmt.Sprintf("%4d × %s", n, text))
	}
	slices.Sort(lines)
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

package securitypage

import (
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

// maxTwins bounds how many forms are remembered. A twin of one that is not is asked for a code.
const maxTwins = 10_000

// twins remembers the proofs that forms have left, for as long as a form may be sent twice.
type twins struct {
	mu    sync.Mutex
	kept  map[string]twin // by call.twin
	sweep time.Time       // the last one
}

type twin struct {
	proof gatehouse.Proof
	at    time.Time
}

func (x twin) isNew(now time.Time) bool {
	age := now.Sub(x.at)
	return age >= 0 && age < justNow
}

func (t *twins) note(form string, proof gatehouse.Proof, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.sweep) >= justNow || now.Before(t.sweep) {
		t.sweep = now
		for form, x := range t.kept {
			if !x.isNew(now) {
				delete(t.kept, form)
			}
		}
	}
	if len(t.kept) >= maxTwins {
		return
	}
	if t.kept == nil {
		t.kept = map[string]twin{}
	}
	t.kept[form] = twin{proof, now}
}

func (t *twins) proof(form string, now time.Time) (gatehouse.Proof, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x, ok := t.kept[form]
	return x.proof, ok && x.isNew(now)
}

// twin returns a code that only this session has for all that this form says, with what was typed into it. So a proof goes
// to the very same form alone: an old copy of the session's cookie gets nothing of what its owner proves meanwhile, unless
// it also has the code that the owner has typed.
func (c *call) twin() string { return c.sign("twin", c.r.URL.Path, c.r.PostForm.Encode()) }

// afterTwin has a form go by the proof that the same form, sent a moment earlier, has left: its own cookie is from before
// that. Otherwise a second click would be told that its code was used. Call it within the account's turn.
func (c *call) afterTwin() error {
	if c.s.signing {
		return nil
	}
	proof, ok := c.p.twins.proof(c.twin(), c.p.now())
	if !ok {
		return nil
	}
	c.s.in.Proof = proof
	return c.p.c.Web.Keep(c.w, c.r, proof)
}

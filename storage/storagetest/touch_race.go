package storagetest

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/storage"
)

// touchRace is a race of saves of one token with uses of it.
type touchRace struct {
	*kindEnv
	token   record                  // the latest
	touched chan storage.TokenUsage // uses that have returned
	saved   chan struct{}           // closed once there are no more saves
	last    [3]storage.TokenUsage   // what is known to be stored of the uses, by goroutine
}

// testTouchRacingSave: neither may make the other fail, conflict or lose what it wrote.
func testTouchRacingSave(e *env) {
	id := e.id("a")
	e.account(id)
	r := &touchRace{kindEnv: e.of(tokens), touched: make(chan storage.TokenUsage), saved: make(chan struct{})}
	r.owner = id
	r.token = r.write(r.fresh(id), 0)
	var errs [3]error
	atOnce(len(errs), func(i int) {
		if i == 0 {
			errs[i] = r.saves()
		} else {
			errs[i] = r.uses(i)
		}
	})
	e.must(errors.Join(errs[:]...), "SaveToken racing TouchTokens")
	r.stored(r.token, "after saves that raced uses")
	e.usage(id, later(r.last[1], r.last[2]), "after uses that raced saves")
}

// saves saves the token with a use between any two saves, and more at the same time.
func (r *touchRace) saves() error {
	defer close(r.saved)
	s := r.env.handle(0)
	for range 40 {
		r.last[0] = later(r.last[0], <-r.touched)
		next := r.fresh(r.token.id)
		won, err := r.contend(s, next, r.token.version)
		if err == nil && !won {
			err = errors.New("SaveToken conflicts, though only TouchTokens came between")
		}
		r.token = next
		t, _, loadErr := r.loadToken(s, next.id)
		if loadErr == nil && (t.Usage.LastUsed.Before(r.last[0].LastUsed) || t.Usage.Scopes&r.last[0].Scopes != r.last[0].Scopes) {
			loadErr = fmt.Errorf("a token has usage %+v, though TouchTokens with %+v had returned", t.Usage, r.last[0])
		}
		if err = errors.Join(err, loadErr); err != nil {
			return err
		}
	}
	return nil
}

// uses uses the token, later and later, until there are no more saves. Two goroutines do, which i tells apart.
func (r *touchRace) uses(i int) (err error) {
	id, s := r.owner, r.env.handle(i)
	for n := i; ; n += 2 {
		use := storage.TokenUsage{LastUsed: second(n), Scopes: 1 << (n % 63), Addresses: fmt.Sprint(n)}
		r.last[i] = later(r.last[i], use)
		err = errors.Join(err, r.try(func() error {
			return s.TouchTokens(r.ctx, []storage.TokenUse{{ID: id, TokenUsage: use}})
		}))
		select {
		case r.touched <- use:
		case <-r.saved:
			return err
		}
	}
}

// later returns what two uses come to.
func later(a, b storage.TokenUsage) storage.TokenUsage {
	if b.LastUsed.Before(a.LastUsed) {
		a, b = b, a
	}
	b.Scopes |= a.Scopes
	return b
}

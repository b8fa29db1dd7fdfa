package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// found is what a server does with a code that is given to it more than once.
type found struct {
	Server   string `json:"server"`
	Database string `json:"database"`
	// Replays is how many of so many codes signed in once more, a moment after they had signed in.
	Replays int `json:"replays_accepted"`
	// Twice is how many of so many codes signed in two browsers that sent them at once.
	Twice int `json:"races_accepted_twice"`
	Of    int `json:"of"`
}

// probe gives codes of some accounts, each once more, and those of others from two browsers at once.
func (d *drive) probe(of int, out io.Writer) error {
	f := found{Server: d.server, Database: d.database, Of: of}
	for range of {
		account, code, ok := d.apps.code()
		if !ok {
			return errNoCode
		}
		if err := d.browser().signIn(account, code); err != nil {
			return err
		}
		n, err := d.together(account, code, 1)
		if err != nil {
			return err
		}
		f.Replays += n
	}
	for range of {
		account, code, ok := d.apps.code()
		if !ok {
			return errNoCode
		}
		n, err := d.together(account, code, 2)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("a right code of %s was refused twice", account)
		}
		f.Twice += n - 1
	}
	return json.NewEncoder(out).Encode(f)
}

// together has some browsers give a code of one account at once, and returns how many are signed in then.
func (d *drive) together(account, code string, browsers int) (int, error) {
	all := make([]*browser, browsers)
	for i := range all {
		all[i] = d.browser()
		if err := all[i].password(account); err != nil {
			return 0, err
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, browsers)
	for i, b := range all {
		wg.Go(func() { _, errs[i] = b.code(account, code) })
	}
	wg.Wait()
	signedIn := 0
	for i, b := range all {
		if errs[i] != nil {
			return 0, errs[i]
		}
		if b.isSignedIn(account) == nil {
			signedIn++
		}
	}
	return signedIn, nil
}

package main

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/totp"
)

// The accounts are the same on each server, so that servers and the load program share nothing but a number.

const password = "correct horse battery staple"

// passwordHash is what servers keep of a password and compare with. A password's hash is slow on purpose and is no part of
// what is measured, so each server has this one instead.
func passwordHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

func accountID(i int) string { return fmt.Sprintf("user-%07d", i) }

// email is the name that better-auth knows an account by.
func email(account string) string { return account + "@example.com" }

// secretOf returns the secret of an account's app, of letters and digits as better-auth makes them.
func secretOf(account string) string {
	sum := sha256.Sum256([]byte("secret of " + account))
	return hex.EncodeToString(sum[:])[:32]
}

func secretText(account string) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(secretOf(account)))
}

// apps are the apps of all accounts. A code is used once, and no code is used after a later one.
type apps struct {
	mu   sync.Mutex
	last []int64 // the step of the last code of each account
	next int
}

// code returns an account that has a code which is right now, with the code. ok is false where there is none.
func (a *apps) code() (account, code string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.next % len(a.last)
	now := totp.Step(time.Now())
	step := max(now, a.last[i]+1)
	if step > now+1 { // servers take a code one step ahead, and no more
		return "", "", false
	}
	a.next++
	a.last[i] = step
	return accountID(i), codeAt(accountID(i), step), true
}

func codeAt(account string, step int64) string {
	secret, err := totp.ParseSecret(secretText(account))
	if err != nil {
		panic(err) // it is a constant of this program
	}
	code, err := totp.Key{Secret: secret}.Code(step)
	if err != nil {
		panic(err)
	}
	return code
}

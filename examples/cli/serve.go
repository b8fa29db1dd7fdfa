package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const brand = "acme"

func policy() (tokens.Policy, error) {
	scopes, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects"},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Add projects", Risk: tokens.Medium},
	)
	return tokens.Policy{Brand: brand, Scopes: scopes}, err
}

// serve runs the service until ctx ends.
func serve(ctx context.Context, args []string, out, errs io.Writer) (err error) {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(errs)
	addr := flags.String("addr", "127.0.0.1:8080", "where to listen; a real service has TLS in front")
	db := flags.String("db", "", "a SQLite file to keep tokens in; keys go into the same with .keys. Defaults to memory")
	mint := flags.String("mint", "", "a file into which to put a new token of ada's")
	scopes := flags.String("scopes", "projects:write", "that token's scopes, with a space between")
	life := flags.Duration("lifetime", 0, "how long it works. Defaults to 30 days")
	if err := parse(flags, args, 0); err != nil {
		return err
	}

	store, keys, closeDB, err := open(ctx, *db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDB()) }()
	rules, err := policy()
	if err != nil {
		return err
	}
	svc, err := gatehouse.New(store, gatehouse.Config{Issuer: "Acme", Keys: keys})
	if err != nil {
		return err
	}
	tok, err := tokens.New(svc, rules)
	if err != nil {
		return err
	}
	if *mint != "" {
		if err := mintInto(ctx, svc, tok, *mint, *scopes, *life); err != nil {
			return err
		}
	}

	s := newServer(tok, log.New(errs, "acme: ", log.LstdFlags), time.Now)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ErrorLog: s.log, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// Requests first, then the uses of tokens that they have left, then the database.
	return errors.Join(server.Shutdown(bounded), svc.Close(bounded))
}

// mintInto makes a token that rotates itself. A real service has its owner do so on the settings page,
// after a code.
func mintInto(ctx context.Context, svc *gatehouse.Service, tok *tokens.Service, file, scopes string, life time.Duration) error {
	list, err := tokens.ParseScopes(scopes)
	if err != nil {
		return err
	}
	next, err := newReplacement(file)
	if err != nil {
		return err
	}
	defer next.discard()
	try, err := svc.Before(ctx, "ada")
	if err != nil {
		return err
	}
	in := gatehouse.Session{Account: "ada"}
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd"})
	if err != nil {
		return err
	}
	minted, err := tok.Mint(ctx, in, tokens.Request{
		Name: "command line", Kind: tokens.CommandLine, Scopes: list, Lifetime: life, RotatesItself: true,
	})
	if err != nil {
		return err
	}
	return next.commit(minted.Token.Reveal())
}

// open opens a store with its keys, "" being one in memory.
func open(ctx context.Context, file string) (storage.Store, *keyring.Ring, func() error, error) {
	if file == "" {
		return memory.New(), keyring.Generate(), func() error { return nil }, nil
	}
	keys, err := keyring.ReadFile(file + ".keys")
	if errors.Is(err, fs.ErrNotExist) {
		keys = keyring.Generate()
		err = os.WriteFile(file+".keys", []byte(keys.Reveal()), 0o600)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := sql.Open("sqlite3", "file:"+url.PathEscape(file)+
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, nil, nil, err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err == nil {
		err = store.Migrate(ctx)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, db.Close())
	}
	return store, keys, db.Close, nil
}

package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/tokens"
)

func tokensCommand() *cli.Command {
	return &cli.Command{
		Name: "tokens", Usage: "list, revoke or purge access tokens",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list the tokens of an account", ArgsUsage: "ACCOUNT",
				Description: "With -json, one document a line for each token." + examples("gatehouse tokens list user-42"),
				Action:      listTokens,
			},
			{
				Name: "revoke", Usage: "revoke a token by its ID, or all of an account", ArgsUsage: "TOKEN-ID | -account ACCOUNT",
				Description: "The ID is the one that list shows, not the token. For tokens themselves, as somebody has found them, there is leaked." + examples(
					"gatehouse tokens revoke 3FqW0yZkM1bXcT -operator ada -reason leaked",
					"gatehouse tokens revoke -account user-42 -operator ada"),
				Flags:  operatorFlags(&cli.StringFlag{Name: "account", Usage: "all tokens of this `ACCOUNT`"}),
				Action: revokeTokens,
			},
			{
				Name: "purge", Usage: "remove tokens that have ended",
				Description: "Those that were revoked, or have expired, over that many days ago. Run it daily. Interrupted, it has lost nothing, and prints how to go on." +
					examples("gatehouse tokens purge -operator cron -days 90"),
				Flags: operatorFlags(
					&cli.IntFlag{Name: "days", Value: 30, Usage: "how many `DAYS` ended tokens are kept"}, afterFlag("a token")),
				Action: purgeTokens,
			},
		},
	}
}

// token is the JSON of one line of tokens list.
type token struct {
	ID        string     `json:"id"`
	Account   string     `json:"account"`
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	State     string     `json:"state"`
	Scopes    []string   `json:"scopes"`
	Created   *time.Time `json:"created"`
	Expires   *time.Time `json:"expires"`
	Revoked   *time.Time `json:"revoked"`
	LastUsed  *time.Time `json:"last_used"`
	Rotations int        `json:"rotations"`
}

func listTokens(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ACCOUNT")
	if err != nil {
		return err
	}
	s, err := open(ctx, c, setting{})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.known(ctx, args[0]); err != nil {
		return s.db.explain(ctx, err)
	}
	list := tokenList{c: c, table: table(s.out)}
	for info, err := range s.tokens.List(ctx, args[0]) {
		if err != nil {
			return s.db.explain(ctx, err)
		}
		if err := list.add(info); err != nil {
			return err
		}
	}
	return list.end(args[0])
}

// tokenList prints tokens, as a table or as documents.
type tokenList struct {
	c     *cli.Command
	table *tabwriter.Writer
	some  bool // a token was printed
}

func (l *tokenList) add(i tokens.Info) error {
	if l.c.Bool("json") {
		return printJSON(l.c, token{
			i.ID, i.AccountID, string(i.Kind), i.Name, string(i.State), strings.Fields(i.Scopes.String()),
			when(i.Created), when(i.Expires), when(i.Revoked), when(i.LastUsed), i.Rotations,
		})
	}
	if !l.some {
		fmt.Fprintln(l.table, "ID\tNAME\tSTATE\tEXPIRES\tLAST USED\tSCOPES")
	}
	l.some = true
	fmt.Fprintf(l.table, "%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, shown(i.Name), inWords.Replace(string(i.State)), at(i.Expires), at(i.LastUsed), i.Scopes)
	return nil
}

func (l *tokenList) end(account string) error {
	if !l.some && !l.c.Bool("json") {
		fmt.Fprintln(l.table, shown(account)+" has no tokens")
	}
	return l.table.Flush()
}

// revoked is the JSON of tokens revoke, and of a line of leaked.
type revoked struct {
	Account string `json:"account,omitempty"`
	ID      string `json:"id,omitempty"` // none: all of the account
	Name    string `json:"name,omitempty"`
	Changed bool   `json:"changed"`
}

func revokeTokens(ctx context.Context, c *cli.Command) error {
	account := c.String("account")
	var names []string
	if account == "" {
		names = []string{"TOKEN-ID or -account ACCOUNT"}
	}
	args, err := arguments(c, names...)
	if err != nil {
		return err
	}
	s, operator, err := operating(ctx, c, setting{})
	if err != nil {
		return err
	}
	defer s.close()
	if account != "" {
		if err = s.known(ctx, account); err == nil {
			err = s.tokens.Operator(operator).RevokeAll(ctx, account)
		}
		if err != nil {
			return s.db.explain(ctx, err)
		}
		if err := report(c, "revoked all tokens of "+shown(account), revoked{Account: account, Changed: true}); err != nil {
			return err
		}
		return s.logged()
	}
	if err := s.tokens.Operator(operator).Revoke(ctx, args[0]); err != nil {
		return s.db.explain(ctx, err)
	}
	e, done := s.happened(event.TokenRevoked)
	text := "token " + args[0] + " was revoked already"
	if done {
		text = fmt.Sprintf("revoked token %s, %s, of %s", e.TokenID, shown(e.TokenName), shown(e.AccountID))
	}
	if err := report(c, text, revoked{e.AccountID, args[0], e.TokenName, done}); err != nil {
		return err
	}
	return s.logged()
}

func purgeTokens(ctx context.Context, c *cli.Command) error {
	days := c.Int("days")
	if days < 0 || days > 100_000 {
		return usagef("-days is a number of days")
	}
	s, operator, err := openAs(ctx, c, setting{})
	if err != nil {
		return err
	}
	defer s.close()
	before := time.Now().AddDate(0, 0, -days)
	return s.through(ctx, walk{"tokens", "token", "purged", true}, func(seen func(gatehouse.Progress)) error {
		_, err := s.tokens.Operator(operator).Purge(ctx, before, c.String("after"), seen)
		return err
	})
}

func leakedCommand() *cli.Command {
	return &cli.Command{
		Name: "leaked", Usage: "revoke the tokens on standard input that are ours",
		Description: `Whatever they were found in will do: a log, a mail, a dump, a scanner's report, of any length. Tokens are found
whatever stands before and after them, and also in JSON, URLs, HTML, mails, UTF-16, base64 and hexadecimal. Not
found is what is compressed, encrypted, cut or changed: decompress first. Those that are genuine are revoked,
rotated copies with their successors, and named by their IDs; nothing is said of anything else, and no token is
printed. Those that had ended already are not named again. It can be repeated. With -json, one document a line
for each token.` + examples(
			"gatehouse leaked -brand acme -operator ada < found.txt",
			"gatehouse leaked -brand acme -operator ada -json < report.json"),
		Flags: operatorFlags(
			&cli.StringFlag{Name: "brand", Usage: "`TEXT` that the service's tokens begin with", Sources: cli.EnvVars("GATEHOUSE_BRAND")}),
		Action: leaked,
	}
}

func leaked(ctx context.Context, c *cli.Command) error {
	s, _, err := openAs(ctx, c, setting{brand: true})
	if err != nil {
		return err
	}
	defer s.close()
	type find struct {
		token tokens.Token
		err   error
	}
	finds := make(chan find)
	go func() { // which an interrupted run leaves behind, waiting for its input
		defer close(finds)
		for token, err := range tokens.Find(c.String("brand"), c.Root().Reader) {
			finds <- find{token, err}
		}
	}()
	for ended := 0; ; {
		var here find
		more := true
		select {
		case here, more = <-finds:
		case <-ctx.Done():
			return fmt.Errorf("%w; %s revoked, run it again with the same input", errInterrupted, counted(ended, "token"))
		}
		switch {
		case !more:
			if !c.Bool("json") {
				fmt.Fprintf(s.errs, "%s revoked\n", counted(ended, "token"))
			}
			return s.logged()
		case here.err != nil:
			return fmt.Errorf("standard input cannot be read; %s revoked, run it again with the same input", counted(ended, "token"))
		}
		err := s.tokens.RevokePresented(ctx, here.token.Reveal())
		n, failed := s.nameRevoked()
		ended += n
		if err != nil {
			return fmt.Errorf("%w; %s revoked, run it again with the same input", s.db.explain(ctx, err), counted(ended, "token"))
		}
		if failed != nil {
			return failed
		}
	}
}

// nameRevoked prints the tokens that were revoked since it was last called, and returns how many they are.
func (s *session) nameRevoked() (n int, err error) {
	for _, e := range s.events.told {
		if e.Kind != event.TokenRevoked {
			continue
		}
		n++
		text := fmt.Sprintf("revoked token %s, %s, of %s", e.TokenID, shown(e.TokenName), shown(e.AccountID))
		if failed := report(s.c, text, revoked{e.AccountID, e.TokenID, e.TokenName, true}); err == nil {
			err = failed
		}
	}
	s.events.told = nil
	return n, err
}

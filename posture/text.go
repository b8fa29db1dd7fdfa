package posture

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes a review as a table for a terminal.
func (r Review) WriteText(w io.Writer) error {
	capped := ""
	if len(r.CappedBy) > 0 {
		capped = fmt.Sprintf(" (%d, capped by %s)", r.Raw, strings.Join(r.CappedBy, ", "))
	}
	if _, err := fmt.Fprintf(w, "Level %d of 3, score %d of 100%s, %d%% known, rules %s\n\n", r.Level, r.Score, capped, r.Coverage, r.Model); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", strings.ToUpper(words(f.State)), f.Severity, f.Title, f.Reason)
	}
	if len(r.Gates) > 0 {
		fmt.Fprint(table, "\n")
	}
	for _, d := range r.Gates {
		open := "CLOSED"
		switch {
		case d.ReportOnly:
			open = "REPORT ONLY"
		case d.Open:
			open = "OPEN"
		}
		line := open + "\tgate\t" + d.Action
		if why := d.why(); why != "" {
			line += "\t" + why
		}
		fmt.Fprintln(table, line)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, s := range r.Next {
		if i == 0 {
			fmt.Fprint(w, "\nNext:\n")
		}
		opens := ""
		if len(s.Opens) > 0 {
			opens = ", opens " + strings.Join(s.Opens, ", ")
		}
		if _, err := fmt.Fprintf(w, "%d. %s (%+d points, %s effort%s)\n", i+1, s.Title, s.Gain, s.Effort, opens); err != nil {
			return err
		}
	}
	return nil
}

// words returns a state as it is written for people.
func words(s State) string { return strings.ReplaceAll(s.String(), "_", " ") }

// why says in words what keeps a gate closed, or would.
func (d Decision) why() string {
	var parts []string
	for _, f := range d.Unmet {
		part := f.Title
		if f.State != Fail {
			part += " (" + words(f.State) + ")"
		}
		parts = append(parts, part)
	}
	for _, id := range d.Hidden {
		parts = append(parts, id+": not asked of this account")
	}
	if d.Level > 0 {
		parts = append(parts, fmt.Sprintf("level %d is asked for", d.Level))
	}
	if !d.GraceUntil.IsZero() {
		parts = append(parts, "open until "+d.GraceUntil.UTC().Format("2006-01-02"))
	}
	return strings.Join(parts, "; ")
}

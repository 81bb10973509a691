package migrate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// pageWidth is how wide a page is printed, in characters.
const pageWidth = 100

// Markdown writes the page so that it reads well as it stands, and prints well.
func (g GuidePage) Markdown(w io.Writer) error {
	p := &pagePrinter{words: guideLanguages[g.Language], page: g}
	p.head()
	p.questions()
	var before []GuideCheck
	for _, chapter := range g.Chapters {
		p.line("", "## "+chapter.Title, "")
		for _, rule := range chapter.Rules {
			p.wrap(mark(rule.Outcome), escaped(rule.Text))
			if sameChecks(before, rule.Checks) {
				p.wrap("  - ", p.words.above)
			} else {
				p.checks("  - ", rule.Checks)
			}
			before = rule.Checks
		}
	}
	p.line("", "## "+p.words.beside, "")
	for _, check := range g.Beside {
		p.wrap(mark(check.Outcome), escaped(check.Asks))
		p.checks("  - ", []GuideCheck{check})
	}
	p.line("", "## "+p.words.recipes)
	for _, recipe := range g.Recipes {
		p.line("", "### "+recipe.Title, "")
		p.recipe(recipe.Text)
	}
	_, err := io.WriteString(w, p.text.String())
	return err
}

// pagePrinter gathers a page's lines.
type pagePrinter struct {
	words guideWords
	page  GuidePage
	text  strings.Builder
}

func (p *pagePrinter) line(lines ...string) {
	for _, line := range lines {
		p.text.WriteString(line + "\n")
	}
}

// wrap writes a paragraph behind a first mark, broken at the page's width.
// What stands between backticks is kept in one line.
func (p *pagePrinter) wrap(first, text string) {
	indent := strings.Repeat(" ", len([]rune(first)))
	line, empty := first, true
	for _, word := range unbroken(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > pageWidth {
			p.line(line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.line(line)
}

// unbroken splits a text where a line may end: at its spaces, but for those
// between backticks and those before or after a sign that doesn't stand alone.
func unbroken(text string) []string {
	var words []string
	inside, glued := false, false
	for _, word := range strings.Fields(text) {
		if inside || glued || len(words) > 0 && slices.Contains([]string{"»", ":", ";", "?", "!", "%"}, strings.TrimRight(word, ".,;)")) {
			words[len(words)-1] += " " + word
		} else {
			words = append(words, word)
		}
		if strings.Count(word, "`")%2 == 1 {
			inside = !inside
		}
		glued = word == "«"
	}
	return words
}

func (p *pagePrinter) head() {
	g, w := p.page, p.words
	p.line("# "+fmt.Sprintf(w.title, g.Target), "")
	about := []string{g.URL}
	if g.Version != "" {
		about = append(about, "BlueMind "+g.Version)
	}
	if g.Installation != "" {
		about = append(about, "installation "+g.Installation)
	}
	about = append(about, w.count(g.Accounts, false), w.phase[g.Phase], g.Written.Format(w.time))
	p.wrap("", strings.Join(about, " · "))
	p.line("")
	if g.Installation == "" {
		p.wrap("", w.unreached)
		p.line("")
	}
	counts := map[Severity]int{}
	total := 0
	for _, chapter := range g.Chapters {
		for _, rule := range chapter.Rules {
			counts[rule.Outcome]++
			total++
		}
	}
	p.wrap("", fmt.Sprintf(w.summary, total, counts[Ok], counts[Blocker]+counts[Warning]+counts[Skipped], counts[Unanswered], counts[Later], counts[Moot]))
}

// questions lists what waits for a person, and what to type.
func (p *pagePrinter) questions() {
	if len(p.page.Open) == 0 {
		return
	}
	p.line("", "## "+p.words.open, "")
	for _, check := range p.page.Open {
		p.wrap("- ", code(check.ID)+p.words.colon+escaped(check.Asks))
	}
	p.line("")
	p.wrap("", p.words.atOnce)
	p.line("", "    "+p.page.Confirm)
}

// recipe writes a recipe's text: its paragraphs are broken at the page's
// width, what is typed and tables stay as they are.
func (p *pagePrinter) recipe(text string) {
	var paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			p.wrap("", strings.Join(paragraph, " "))
			paragraph = nil
		}
	}
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		numbered := len(line) > 2 && line[1] == '.' && line[0] >= '1' && line[0] <= '9'
		switch {
		case line == "" || line[0] == '|' || strings.HasPrefix(line, "    "):
			end()
			p.line(line)
		case numbered:
			end()
			p.wrap(line[:3], line[3:])
		default:
			paragraph = append(paragraph, line)
		}
	}
	end()
}

// checks writes how a rule was checked, and what came of it.
func (p *pagePrinter) checks(indent string, checks []GuideCheck) {
	for _, c := range checks {
		how := p.words.byProgram
		switch {
		case c.How == Operator:
			how = p.words.byPerson
		case c.Probe:
			how = p.words.byProbe
		}
		p.wrap(indent, code(c.ID)+", "+how+p.words.colon+p.result(c))
	}
}

// result is what came of a check. bmsync's own words are English: where the
// page is not, they are left out if all is well, and quoted if not.
func (p *pagePrinter) result(c GuideCheck) string {
	w := p.words
	switch {
	case c.By != "":
		text := fmt.Sprintf(w.confirmed, escaped(c.By), p.when(c.At))
		if c.Note != "" {
			text += w.colon + escaped(c.Note)
		}
		return text
	case c.Outcome == Later && c.How == Operator && !p.page.Phase.Includes(c.Phase):
		return fmt.Sprintf(w.later, c.Phase)
	case c.Outcome == Unanswered:
		return w.outcome[c.Outcome]
	}
	text := w.outcome[c.Outcome]
	if c.Count > 0 && c.Outcome != Ok && c.Outcome != Moot {
		text += " (" + w.count(c.Count, checkRule(c.ID) == checkAutodiscover) + ")"
	}
	if c.Text == "" || p.page.Language != "en" && (c.Outcome == Ok || c.Outcome == Moot) {
		return text
	}
	return text + w.colon + fmt.Sprintf(w.quotes, escaped(c.Text))
}

// when writes a moment in the page's place.
func (p *pagePrinter) when(at string) string {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return at
	}
	return t.In(p.page.Written.Location()).Format(p.words.time)
}

// mark begins a rule's line: a box, ticked where the rule holds, and none
// where it doesn't concern this server.
func mark(s Severity) string {
	switch s {
	case Ok:
		return "- [x] "
	case Moot:
		return "- "
	}
	return "- [ ] "
}

func sameChecks(a, b []GuideCheck) bool {
	return slices.EqualFunc(a, b, func(a, b GuideCheck) bool { return a.ID == b.ID })
}

func code(text string) string { return "`" + text + "`" }

// escaped takes from a text what Markdown would take for marks, and keeps it
// in one line.
func escaped(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "<", `\<`, "|", `\|`).Replace(text)
}

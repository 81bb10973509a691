package migrate

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// guideFiles are the guide's rules and the operator's recipes, a file a
// language.
//
//go:embed guide
var guideFiles embed.FS

// guideChapter is a chapter of the guide, with its rules.
type guideChapter struct {
	title string
	rules []guideSentence
}

// guideSentence is one rule of the guide, and the rules of the preflight table
// that look after it.
type guideSentence struct {
	text string
	ids  []string
}

// guideWords are the words of a page in one language.
type guideWords struct {
	outcome                                                         map[Severity]string
	title, unreached, summary, open, atOnce, recipes, beside, above string
	byProgram, byProbe, byPerson, confirmed, later, quotes          string
	colon                                                           string
	time                                                            string // layout
	decimal, thousands, octet                                       string
	account, accounts, name, names                                  string
	phase                                                           map[Phase]string
}

var guideLanguages = map[string]guideWords{
	"en": {
		outcome: map[Severity]string{Ok: "ok", Warning: "warning", Blocker: "BLOCKS", Skipped: "not looked at", Unanswered: "not answered yet",
			Later: "later", Moot: "doesn't concern this server"},
		title:     "BlueMind's roll-out guide on target %s",
		unreached: "**The target could not be asked.** Results are what could be found out without it; whether answers given earlier are of this server is not known.",
		summary:   "Of %d rules of the guide: %d hold, %d to be looked into, %d waiting for a person, %d later, %d not of this server.",
		open:      "Questions that wait for a person", atOnce: "Each is explained below. Whoever has seen to it types:",
		recipes: "Recipes", beside: "Beside the guide", above: "as above",
		byProgram: "by bmsync", byProbe: "by bmsync, with --probe", byPerson: "asked", confirmed: "confirmed by %s, %s",
		later: "later (--phase %s)", account: "account", accounts: "accounts", name: "name", names: "names", quotes: "%s", colon: ": ", time: "2 Jan 2006 15:04 MST",
		decimal: ".", thousands: ",", octet: "B",
		phase: map[Phase]string{PhaseRehearsal: "rehearsal", PhaseBefore: "before the DNS change", PhaseAfterDNS: "after the DNS change"},
	},
	"fr": {
		outcome: map[Severity]string{Ok: "conforme", Warning: "attention", Blocker: "BLOQUE", Skipped: "non vérifié", Unanswered: "pas encore de réponse",
			Later: "plus tard", Moot: "sans objet sur ce serveur"},
		title:     "Le guide de déploiement de BlueMind sur la cible %s",
		unreached: "**La cible n'a pas pu être interrogée.** Les résultats sont ce qu'on sait sans elle ; on ignore si les réponses déjà données sont de ce serveur.",
		summary:   "Sur %d règles du guide : respectées %d, à examiner %d, en attente d'une personne %d, plus tard %d, sans objet sur ce serveur %d.",
		open:      "Questions qui attendent une personne", atOnce: "Chacune est expliquée plus bas. Qui s'en est assuré tape :",
		recipes: "Recettes", beside: "À côté du guide", above: "comme ci-dessus",
		byProgram: "par bmsync", byProbe: "par bmsync, avec --probe", byPerson: "demandé", confirmed: "confirmé par %s, %s",
		later: "plus tard (--phase %s)", account: "compte", accounts: "comptes", name: "nom", names: "noms", quotes: "« %s »", colon: " : ", time: "02/01/2006 15:04 MST",
		decimal: ",", thousands: " ", octet: "o",
		phase: map[Phase]string{PhaseRehearsal: "répétition", PhaseBefore: "avant le changement du DNS", PhaseAfterDNS: "après le changement du DNS"},
	},
}

// GuideLanguages are the languages that a page is written in.
func GuideLanguages() []string { return slices.Sorted(maps.Keys(guideLanguages)) }

// guideChapters reads the guide's rules in a language.
func guideChapters(language string) ([]guideChapter, error) {
	text, err := guideFiles.ReadFile("guide/" + language + ".txt")
	if err != nil {
		return nil, err
	}
	var out []guideChapter
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "= "):
			out = append(out, guideChapter{title: line[2:]})
		case strings.HasPrefix(line, "- ") && len(out) > 0:
			sentence, ids, _ := strings.Cut(line[2:], " | ")
			last := &out[len(out)-1]
			last.rules = append(last.rules, guideSentence{text: sentence, ids: strings.Fields(ids)})
		case line != "" && line[0] != '#':
			return nil, fmt.Errorf("%s.txt: %q is no line of a guide", language, line)
		}
	}
	return out, nil
}

// Asked says in a language what must be so by a rule of the table; English for
// what isn't translated.
func (r Rule) Asked(language string) string {
	text, err := guideFiles.ReadFile("guide/rules." + language + ".txt")
	if err != nil {
		return r.Asks
	}
	for line := range strings.Lines(string(text)) {
		if id, words, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && id == r.ID {
			return words
		}
	}
	return r.Asks
}

// size writes octets as people of the language read them.
func (w guideWords) size(n int64) string {
	return strings.NewReplacer(".", w.decimal, "B", w.octet).Replace(AboutSize(n))
}

// between writes a range of octets.
func (w guideWords) between(low, high int64) string {
	if low == high {
		return w.size(high)
	}
	return w.size(low) + " – " + w.size(high)
}

// count writes how many accounts there are, or names in the DNS.
func (w guideWords) count(n int, names bool) string {
	word := w.accounts
	switch {
	case names && n == 1:
		word = w.name
	case names:
		word = w.names
	case n == 1:
		word = w.account
	}
	return w.number(int64(n)) + " " + word
}

// number writes a count with its thousands apart.
func (w guideWords) number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + w.thousands + text[i:]
	}
	return text
}

// guideRecipes reads the operator's recipes in a language.
func guideRecipes(language string) (*template.Template, error) {
	return template.New("recipes").Option("missingkey=error").ParseFS(guideFiles, "guide/recipes."+language+".md")
}

package migrate

import (
	"slices"
	"strings"
	"testing"
)

// TestGuideSaysTheSameInEachLanguage compares chapters, rules and recipes.
func TestGuideSaysTheSameInEachLanguage(t *testing.T) {
	english, err := guideChapters("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range GuideLanguages() {
		chapters, err := guideChapters(language)
		if err != nil || len(chapters) != len(english) {
			t.Fatalf("%s: %d chapters, want %d (%v)", language, len(chapters), len(english), err)
		}
		for i, chapter := range chapters {
			if len(chapter.rules) != len(english[i].rules) {
				t.Fatalf("%s: %q has %d rules, want %d", language, chapter.title, len(chapter.rules), len(english[i].rules))
			}
			for j, rule := range chapter.rules {
				if rule.text == "" || !slices.Equal(rule.ids, english[i].rules[j].ids) {
					t.Errorf("%s: %q is looked after by %q, want %q", language, rule.text, rule.ids, english[i].rules[j].ids)
				}
			}
		}
		recipes, err := guideRecipes(language)
		if err != nil {
			t.Fatal(err)
		}
		for _, recipe := range recipeOrder {
			if recipes.Lookup(recipe.name) == nil {
				t.Errorf("%s: no recipe %s", language, recipe.name)
			}
		}
		words := guideLanguages[language]
		for _, s := range []Severity{Ok, Warning, Blocker, Skipped, Unanswered, Later, Moot} {
			if words.outcome[s] == "" {
				t.Errorf("%s: no word for %s", language, s)
			}
		}
	}
}

// TestEveryRuleOfTheGuideIsLookedAfter: each of its sentences has a rule, and
// each question is explained by a recipe and translated.
func TestEveryRuleOfTheGuideIsLookedAfter(t *testing.T) {
	chapters, err := guideChapters("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, chapter := range chapters {
		for _, rule := range chapter.rules {
			if len(rule.ids) == 0 {
				t.Errorf("nothing looks after %q", rule.text)
			}
			for _, id := range rule.ids {
				if !slices.ContainsFunc(ruleTable[:], func(r Rule) bool { return r.ID == id }) {
					t.Errorf("%q names the unknown rule %s", rule.text, id)
				}
			}
		}
	}
	explainedBy := map[string]string{"connectivity": "autodiscover", "mapi-restart": "autodiscover"}
	for _, r := range ruleTable {
		if asked := r.Asked("fr"); asked == r.Asks || strings.TrimSpace(asked) == "" {
			t.Errorf("guide/rules.fr.txt lacks %s", r.ID)
		}
		if r.Asked("en") != r.Asks {
			t.Errorf("%s: %q", r.ID, r.Asked("en"))
		}
		name := explainedBy[r.ID]
		if name == "" {
			name = r.ID
		}
		if r.How == Operator && !slices.ContainsFunc(recipeOrder[:], func(g guideRecipe) bool { return g.name == name }) {
			t.Errorf("no recipe explains %s", r.ID)
		}
	}
}

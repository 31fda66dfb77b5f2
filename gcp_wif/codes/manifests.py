"""WIF7xx: the manifest, what it compiles to, and what is rendered from it."""

from gcp_wif.codes.row import INPUT, Code

__all__ = ["MANIFESTS"]

MANIFESTS = (
    Code(
        "WIF700",
        "The manifest is not valid",
        "The message lists every problem, with the place of each.",
        ("Correct each place that is listed. `gcp-wif check FILE` gives their lines and codes.",),
        INPUT,
    ),
    Code(
        "WIF701",
        "The manifest is not TOML",
        "The file has a syntax error, is not UTF-8, is nested without end, or is far larger than a manifest.",
        ("Correct the line that the message names. Text goes into double quotes; a key is there once.",),
        INPUT,
    ),
    Code(
        "WIF702",
        "The manifest has a key that is not known",
        "The key is misspelt, is in the wrong table, or belongs to another version.",
        ("Correct it to the name that the message suggests, or remove it.",),
        INPUT,
    ),
    Code(
        "WIF703",
        "The manifest lacks something that it needs",
        "A key or a table that is required is not there.",
        ("Add what the message names. `gcp-wif init` writes a manifest with everything in it.",),
        INPUT,
    ),
    Code(
        "WIF704",
        "A value in the manifest is not valid",
        "The value has the wrong type or form, or is longer than Google allows.",
        ("Write it in the form that the message says.",),
        INPUT,
    ),
    Code(
        "WIF705",
        "Two things in the manifest do not go together",
        "Two keys are mutually exclusive, one does not belong to this kind of issuer or identity, or two identities "
        "have the same account.",
        ("Keep one of the two that the message names.",),
        INPUT,
    ),
    Code(
        "WIF706",
        "A rule would admit everybody",
        "The rule names nothing that tells one project, repository or person from others, so it is a grant to "
        "strangers.",
        ("Add to the rule a claim that narrows it. The message lists those that do.",),
        INPUT,
    ),
    Code(
        "WIF707",
        "A rule pins no tenant of a shared issuer",
        "The issuer signs for many tenants that do not trust each other, and a stranger can have a token with the same "
        "names. Only an ID that is never given to somebody else tells your tenant from theirs.",
        ("Add to the rule one of the claims that the message lists, with your own ID.",),
        INPUT,
    ),
    Code(
        "WIF720",
        "The rules do not fit into one provider",
        "Google limits the number and the length of a provider's mappings, and these rules need more.",
        ("Split the manifest into several, with a pool each.",),
        INPUT,
    ),
    Code(
        "WIF721",
        "Google would refuse the mapping or the condition",
        "An expression under [provider] is not valid or too long, or an attribute there has a name that the compiled "
        "rules use.",
        (
            "Correct the expression that the message names, or give your own attribute another name.",
            "If the rules are too long, split the manifest into several, with a pool each.",
        ),
        INPUT,
    ),
    Code(
        "WIF730",
        "This cannot be rendered for the manifest's issuer",
        "What was asked for is the config of one CI system, and the manifest's issuer is of another kind.",
        ("Render for the issuer's own kind, or: gcp-wif render terraform, gcp-wif render gcloud",),
        INPUT,
    ),
    Code(
        "WIF731",
        "`render` does not know what to render",
        "The word after `render` is none of its targets.",
        ("Choose one of those that the message lists: gcp-wif render --help",),
        INPUT,
    ),
    Code(
        "WIF732",
        "A value of the manifest cannot be written into a shell script",
        "It holds a NUL character, which bash cannot pass on.",
        ("Remove the character from the value in the manifest.",),
        INPUT,
    ),
    Code(
        "WIF741",
        "The YAML file is beyond what is read",
        "It is nested too deeply, has far more values than a config has, or its aliases multiply. Such a file is made "
        "to use up time and memory, or it is not the file meant.",
        ("Name the file that the CI system runs. Write out aliases of aliases.",),
        INPUT,
    ),
    Code(
        "WIF742",
        "The install command cannot be written into a job",
        "`--install` takes one line of a shell script. It is empty, longer than 1,000 characters, or has a line break "
        "or another control character in it.",
        ("Give one command that installs gcp-wif. Join several with &&, or put them into a script.",),
        INPUT,
    ),
)

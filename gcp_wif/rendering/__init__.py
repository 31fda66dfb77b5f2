"""The repository's journey: what people commit, made from the manifest.

Pure: a manifest, or what it asks of Google, goes in; text comes out, the same every time, through the templates of
``templates/``. Every value passes a filter of `quoting` for the language that it lands in.

A CI system's config needs the core install alone. `terraform` and `gcloud` print what `gcp_wif.desired` says that
`apply` makes, and `terraform` what is there already, as `gcp_wif.provisioning` observes it: these need the extra
``admin``. Import from these modules: a job's install has no use for all
of them at once.
"""

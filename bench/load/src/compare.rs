pub(crate) fn run(_: &crate::arguments::CompareArguments) -> anyhow::Result<()> {
    Ok(())
}

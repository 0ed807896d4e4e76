pub(crate) fn run(_: &crate::arguments::PauseArguments) -> anyhow::Result<()> {
    Ok(())
}

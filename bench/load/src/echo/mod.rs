pub(crate) fn run(_: &crate::arguments::EchoArguments) -> anyhow::Result<()> {
    Ok(())
}

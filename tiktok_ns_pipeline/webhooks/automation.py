"""When TikTok is asked whether it posts to us: hourly, once the settings name our public address."""

from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import MAX_RUNTIME_TAG, RuntimeResource, in_event_loop

if TYPE_CHECKING:
    from tiktok_ns_pipeline.webhooks.watching import Watched


@dg.op(tags={"kind": "tiktok"})
def register_webhooks(context: dg.OpExecutionContext, runtime: RuntimeResource) -> None:
    """Register for every shop what TikTok does not list; what stays missing becomes an exception."""
    watched = in_event_loop(_watched(runtime))
    context.add_output_metadata(
        {
            "listed": watched.listed,
            "registered_anew": watched.renewed,
            "missing": watched.missing,
            "not_known": len(watched.trouble),
        }
    )
    for trouble in watched.trouble:
        context.log.warning("not known: %s", trouble)


async def _watched(runtime: RuntimeResource) -> "Watched":
    from tiktok_ns_pipeline.webhooks.registering import complaint_about
    from tiktok_ns_pipeline.webhooks.watching import keep_registered

    async with runtime.opened() as opened:
        address = opened.settings.webhooks_url
        if not address:
            raise dg.Failure(
                "TNS_WEBHOOKS_URL does not say where the receiver is reached", allow_retries=False
            )
        if complaint := complaint_about(address, opened.settings.tiktok.api_url):
            raise dg.Failure(f"TNS_WEBHOOKS_URL: {complaint}", allow_retries=False)
        return await keep_registered(opened, address)


@dg.job(executor_def=dg.in_process_executor, tags={MAX_RUNTIME_TAG: "1800"})
def webhooks_job() -> None:
    """Makes sure that TikTok posts webhooks to the receiver."""
    register_webhooks()


@dg.schedule(
    name="webhooks_schedule",
    job=webhooks_job,
    cron_schedule="35 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Hourly, where TNS_WEBHOOKS_URL names the receiver's public address.",
)
def webhooks_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """A run, unless webhooks are not used."""
    from tiktok_ns_pipeline.settings import webhooks_url

    if webhooks_url():
        return dg.RunRequest()
    return dg.SkipReason("TNS_WEBHOOKS_URL is not set: changes are found by polling alone")


defs = dg.Definitions(jobs=[webhooks_job], schedules=[webhooks_schedule])

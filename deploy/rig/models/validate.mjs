// Validates resources of the Prometheus operator against its schemas; prints how many it has accepted.
import { readFileSync } from "node:fs";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const kinds = { PrometheusRule, ServiceMonitor };
const resources = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const resource of resources) {
  new kinds[resource.kind](resource).validate();
}
console.log(resources.length);

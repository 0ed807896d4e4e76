"""Prometheus and Grafana for Holdfast, and what checks them."""

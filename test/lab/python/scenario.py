"""LINBIT's python-linstor at the lab's REST interface.

Usage: scenario.py LIVE_URI DEAD_URI

Three nodes node1..node3 with the pools `thin` (LVM_THIN, 4 GiB) and `fat` (LVM, 1 GiB) are expected, and nothing
else. One line is printed for each step that held; the first that does not hold ends the program with a traceback.
"""

import sys
from contextlib import contextmanager

import linstor
from linstor import sharedconsts as consts

MIB = 1024 * 1024
LIVE, DEAD = sys.argv[1:3]


@contextmanager
def step(what):
    yield
    print("ok", what, flush=True)


def connect():
    """The high-level classes open a connection of their own each time; this one is for plain calls."""
    client = linstor.Linstor(LIVE)
    client.connect()
    return client


def code(reply):
    return reply.ret_code & (consts.MASK_BITS_TYPE | consts.MASK_BITS_CODE)


def codes(replies):
    return [code(reply) for reply in replies]


def succeeds(replies):
    """Warnings and informations are none: a call of the scenario is meant to do what it says."""
    assert replies, "an empty reply"
    failed = [str(reply) for reply in replies if reply.is_error() or reply.is_warning()]
    assert not failed, failed
    return replies


def fails(replies, expected):
    errors = [reply for reply in replies if reply.is_error()]
    assert expected in codes(errors), "expected %x, not %s" % (expected, [str(reply) for reply in replies])
    assert all(error.message for error in errors)
    return errors


def raises(kind, call, text=""):
    """The exception that `call` must end with."""
    try:
        call()
    except kind as error:
        assert text in str(error), "%r is not in %r" % (text, str(error))
        return error
    raise AssertionError("no %s was raised" % kind.__name__)


def devices(client, resource):
    """Node name -> (device path, pool) of volume 0."""
    listed = client.resource_list_raise(filter_by_resources=[resource])
    return {each.node_name: (each.volumes[0].device_path, each.volumes[0].storage_pool_name) for each in listed.resources}


def write(client, resource, text, offset=0):
    for path, pool in devices(client, resource).values():
        if pool != "DfltDisklessStorPool":
            with open(path, "r+b") as device:
                device.seek(offset)
                device.write(text)
            return
    raise AssertionError("%s has no disk" % resource)


def contents(client, resource, length, offset=0):
    """What every replica with a disk holds; they must agree."""
    found = set()
    for path, pool in devices(client, resource).values():
        if pool != "DfltDisklessStorPool":
            with open(path, "rb") as device:
                device.seek(offset)
                found.add(device.read(length))
    assert len(found) == 1, "replicas of %s differ: %s" % (resource, found)
    return found.pop()


def definition(client, name):
    """None when there is no such resource definition."""
    listed = client.resource_dfn_list_raise(query_volume_definitions=True, filter_by_resource_definitions=[name])
    return listed.resource_definitions[0] if listed.resource_definitions else None


def snapshot_names(client, resource):
    return sorted(each.snapshot_name for each in client.snapshot_dfn_list_raise(filter_by_resources=[resource]).snapshots)


def connections():
    with step("one of two controllers is dead: the other is found"):
        with linstor.MultiLinstor([DEAD, LIVE]) as client:
            assert client.connected
            assert LIVE.split(":")[-1] in client.controller_host()
    with step("all controllers are dead: a network error that counts them"):
        error = raises(linstor.LinstorNetworkError, linstor.MultiLinstor([DEAD, DEAD]).connect)
        assert len(error.all_errors()) == 2
    with step("version of controller and REST interface"):
        version = linstor.Linstor(LIVE)
        with version as client:
            told = client.controller_version()
            assert told.version.startswith("1."), told.version
            assert client.api_version_smaller("2.0.0")


def nodes(client):
    with step("nodes and their state"):
        listed = client.node_list_raise().nodes
        assert [node.name for node in listed] == ["node1", "node2", "node3"]
        assert {node.connection_status for node in listed} == {"ONLINE"}
        assert all("DRBD" in node.resource_layers and "LVM_THIN" in node.storage_providers for node in listed)
        assert [node.name for node in client.node_list_raise(filter_by_nodes=["NODE2"]).nodes] == ["node2"]
        assert client.node_list_raise(filter_by_nodes=["node9"]).nodes == []
    with step("properties of a node, and filtering by them"):
        succeeds(client.node_modify("node3", property_dict={"Aux/rack": "west"}))
        for name in ("node1", "node2"):
            succeeds(client.node_modify(name, property_dict={"Aux/rack": "east"}))
        west = client.node_list_raise(filter_by_props=["Aux/rack=west"]).nodes
        assert [node.name for node in west] == ["node3"]
        assert west[0].properties["Aux/rack"] == "west"
        succeeds(client.node_modify("node3", property_dict={"Aux/gone": "soon"}))
        succeeds(client.node_modify("node3", delete_props=["Aux/gone"]))
        assert "Aux/gone" not in client.node_list_raise(filter_by_nodes=["node3"]).nodes[0].properties
    with step("a node is made and deleted"):
        succeeds(client.node_create("node4", consts.VAL_NODE_TYPE_STLT, "127.0.0.44"))
        fails(client.node_create("node4", consts.VAL_NODE_TYPE_STLT, "127.0.0.44"), consts.FAIL_EXISTS_NODE)
        interfaces = client.node_list_raise(filter_by_nodes=["node4"]).nodes[0].net_interfaces
        assert sorted((each.name, each.address) for each in interfaces) == [("default", "127.0.0.44")]
        succeeds(client.node_delete("node4"))
        assert len(client.node_list_raise().nodes) == 3
    with step("a name that no node can have"):
        fails(client.node_create("-bad-", consts.VAL_NODE_TYPE_STLT, "127.0.0.45"), consts.FAIL_INVLD_NODE_NAME)


def pools(client):
    with step("storage pools: kind, capacity, what they can do"):
        listed = client.storage_pool_list_raise(filter_by_stor_pools=["thin", "fat"]).storage_pools
        found = {(pool.node_name, pool.name): pool for pool in listed}
        assert sorted(found) == [(node, pool) for node in ("node1", "node2", "node3") for pool in ("fat", "thin")]
        thin, fat = found["node1", "thin"], found["node1", "fat"]
        assert (thin.provider_kind, fat.provider_kind) == ("LVM_THIN", "LVM")
        assert (thin.is_thin(), fat.is_thin(), fat.is_fat()) == (True, False, True)
        assert (thin.supports_snapshots(), fat.supports_snapshots()) == (True, False)
        assert thin.free_space.total_capacity == 4 * 1024 * 1024
        assert 0 < thin.free_space.free_capacity <= thin.free_space.total_capacity
        assert client.storage_pool_list_raise(filter_by_stor_pools=["none"]).storage_pools == []
    with step("a pool is made, changed and deleted"):
        succeeds(client.storage_pool_create("node1", "extra", "FILE_THIN", "/var/lib/extra"))
        fails(client.storage_pool_create("node1", "extra", "FILE_THIN", "/var/lib/extra"), consts.FAIL_EXISTS_STOR_POOL)
        fails(client.storage_pool_create("node9", "extra", "FILE_THIN", "/var/lib/extra"), consts.FAIL_NOT_FOUND_NODE)
        succeeds(client.storage_pool_modify("node1", "extra", {"Aux/class": "slow"}))
        extra = client.storage_pool_list_raise(["node1"], ["extra"]).storage_pools[0]
        assert (extra.properties["Aux/class"], extra.provider_kind) == ("slow", "FILE_THIN")
        succeeds(client.storage_pool_delete("node1", "extra"))
        assert client.storage_pool_list_raise(["node1"], ["extra"]).storage_pools == []


def groups(client):
    with step("ResourceGroup: made by asking for it, changed by assignment"):
        group = linstor.ResourceGroup("data", uri=LIVE)
        assert (group.nr_volumes, group.redundancy) == (1, None)
        group.redundancy = 2
        group.storage_pool = ["thin"]
        group.description = "two replicas"
        group.property_dict = {"Aux/site": "here"}
        again = linstor.ResourceGroup("data", uri=LIVE)
        assert (again.redundancy, again.storage_pool, again.description) == (2, ["thin"], "two replicas")
        assert again.property_dict == {"Aux/site": "here"}
        assert again.nr_volumes == 1
    with step("volume groups of it"):
        group.nr_volumes = 2
        numbers = [each.number for each in client.volume_group_list_raise("data").volume_groups]
        assert numbers == [0, 1], numbers
        group.nr_volumes = 1
        assert linstor.ResourceGroup("data", uri=LIVE).nr_volumes == 1
    with step("how large a volume may be"):
        largest = group.query_max_volume_size()
        candidates = largest[0].candidates
        assert candidates[0].storage_pool == "thin"
        assert len(candidates[0].node_names) == 2
        assert candidates[0].all_thin is True
        info = client.resource_group_query_size_info("data")
        # Over-subscription of a thin pool: 20 times what is free, at most.
        assert info.space_info.max_vlm_size_in_kib > info.space_info.available_size_in_kib > 0
    with step("groups that exist, are missing, or have no proper name"):
        fails(client.resource_group_create("data"), consts.FAIL_EXISTS_RSC_GRP)
        fails(client.resource_group_modify("nothing", place_count=1), consts.FAIL_NOT_FOUND_RSC_GRP)
        fails(client.resource_group_create("not a name"), consts.FAIL_INVLD_RSC_GRP_NAME)
        assert client.resource_group_list_raise(["nothing"]).resource_groups == []
    return group


def spawning(client, group):
    with step("spawn: definition, volume, two replicas and a tiebreaker"):
        disk = group.create_resource("disk", ["64Mib"])
        assert disk.defined and disk.linstor_name == "disk" and disk.resource_group_name == "data"
        assert disk.volumes[0].size == 64 * MIB
        assert disk.volumes[0].minor >= 1000
        assert disk.volumes[0].storage_pool_name == "thin"
        assert len(disk.diskful_nodes()) == 2 and len(disk.diskless_nodes()) == 1
        assert disk.is_thin()
        listed = client.resource_list_raise(filter_by_resources=["disk"])
        flags = {each.node_name: each.flags for each in listed.resources}
        assert "TIE_BREAKER" in flags[disk.diskless_nodes()[0]]
        assert all(flags[name] == [] for name in disk.diskful_nodes())
        states = {state.node_name: state.volume_states[0].disk_state for state in listed.resource_states}
        assert sorted(states.values()) == ["Diskless", "UpToDate", "UpToDate"], states
        assert {state.in_use for state in listed.resource_states} == {False}
        assert client.resource_dfn_sync_status("disk").synced_on_all
    with step("what the spawned volume holds: nothing, and then what is written"):
        assert contents(client, "disk", 4096) == bytes(4096)
        write(client, "disk", b"before the snapshot")
        assert contents(client, "disk", 19) == b"before the snapshot"
    with step("spawn of a name that exists, is missing or bad"):
        fails(client.resource_group_spawn("data", "disk", ["64Mib"]), consts.FAIL_EXISTS_RSC_DFN)
        fails(client.resource_group_spawn("nothing", "other", ["64Mib"]), consts.FAIL_NOT_FOUND_RSC_GRP)
        fails(client.resource_group_spawn("data", "1bad", ["64Mib"]), consts.FAIL_INVLD_RSC_NAME)
        error = raises(linstor.LinstorError, lambda: group.create_resource("disk", ["64Mib"]), "Could not spawn")
        assert "disk" in error.message
    with step("spawn of definitions alone"):
        succeeds(client.resource_group_spawn("data", "planned", ["32Mib"], definitions_only=True))
        assert definition(client, "planned").volume_definitions[0].size == 32 * 1024
        assert client.resource_list_raise(filter_by_resources=["planned"]).resources == []
        succeeds(client.resource_dfn_delete("planned"))
    with step("no space: neither a place nor a leftover"):
        errors = fails(client.resource_group_spawn("data", "huge", ["200Tib"]), consts.FAIL_NOT_ENOUGH_NODES)
        assert "Not enough" in errors[0].message
        assert definition(client, "huge") is None
    return disk


def placing(client):
    with step("Resource: defined, given a volume, placed automatically"):
        placed = linstor.Resource("placed", uri=LIVE)
        assert not placed.defined
        placed.placement.redundancy = 2
        placed.placement.storage_pool = "thin"
        placed.volumes[0] = linstor.Volume("32 MiB")
        placed.autoplace()
        assert placed.defined and len(placed.diskful_nodes()) == 2
        assert placed.volumes[0].size == 32 * MIB
    with step("autoplace of what is placed changes nothing"):
        before = sorted(placed.diskful_nodes())
        placed.autoplace()
        assert sorted(placed.diskful_nodes()) == before
    with step("autoplace obeys different and same values of a property"):
        succeeds(client.resource_dfn_create("apart"))
        succeeds(client.volume_dfn_create("apart", 16 * 1024))
        succeeds(client.resource_auto_place("apart", 2, storage_pool=["thin"], replicas_on_different=["Aux/rack"]))
        assert "node3" in devices(client, "apart")
        succeeds(client.resource_dfn_delete("apart"))
        succeeds(client.resource_dfn_create("together"))
        succeeds(client.volume_dfn_create("together", 16 * 1024))
        fails(
            client.resource_auto_place("together", 3, storage_pool=["thin"], replicas_on_same=["Aux/rack"]),
            consts.FAIL_NOT_ENOUGH_NODES,
        )
        assert devices(client, "together") == {}
        succeeds(client.resource_auto_place("together", 2, storage_pool=["thin"], replicas_on_same=["Aux/rack"]))
        with_disk = [node for node, (_, pool) in devices(client, "together").items() if pool == "thin"]
        assert sorted(with_disk) == ["node1", "node2"]
        succeeds(client.resource_dfn_delete("together"))
    with step("more replicas than nodes, or in a pool that is not there"):
        fails(client.resource_auto_place("placed", 4), consts.FAIL_NOT_ENOUGH_NODES)
        fails(client.resource_auto_place("placed", 3, storage_pool=["none"]), consts.FAIL_NOT_ENOUGH_NODES)
        raises(linstor.LinstorError, lambda: too_many(placed), "Could not autoplace")
    with step("a disk is added by hand, taken away, and the last look is right"):
        (third,) = {"node1", "node2", "node3"} - set(placed.diskful_nodes())
        placed.diskful(third)
        assert placed.is_diskful(third) and len(placed.diskful_nodes()) == 3
        placed.diskless(third)
        assert placed.is_diskless(third)
        placed.diskful(third)
        assert placed.is_diskful(third)
        placed.delete(third)
        assert len(placed.diskful_nodes()) == 2
    with step("available somewhere: diskless, again, and gone"):
        placed.activate(third)
        assert placed.is_diskless(third)
        placed.activate(third)
        assert placed.is_diskless(third)
        listed = client.resource_list_raise(filter_by_nodes=[third], filter_by_resources=["placed"]).resources
        assert len(listed) == 1 and "TIE_BREAKER" not in listed[0].flags
        placed.deactivate(third)
        assert third not in placed.diskful_nodes()
    with step("a resource on a node, in a pool, of a definition that is missing"):
        fails(client.resource_create([linstor.ResourceData("node9", "placed")]), consts.FAIL_NOT_FOUND_NODE)
        fails(client.resource_create([linstor.ResourceData("node1", "nothing")]), consts.FAIL_NOT_FOUND_RSC_DFN)
        fails(client.resource_make_available("node9", "placed"), consts.FAIL_NOT_FOUND_NODE)
        fails(client.resource_make_available("node1", "nothing"), consts.FAIL_NOT_FOUND_RSC_DFN)
    return placed


def too_many(resource):
    resource.placement.redundancy = 9
    try:
        resource.autoplace()
    finally:
        resource.placement.redundancy = 2


def properties(client, disk):
    with step("properties of a definition: set, read, filtered by, deleted"):
        succeeds(client.resource_dfn_modify("disk", {"Aux/one": "1", "Aux/two": "2"}))
        found = definition(client, "disk").properties
        assert (found["Aux/one"], found["Aux/two"]) == ("1", "2")
        filtered = client.resource_dfn_list_raise(filter_by_props=["Aux/one=1"]).resource_definitions
        assert [each.name for each in filtered] == ["disk"]
        assert client.resource_dfn_list_raise(filter_by_props=["Aux/one=9"]).resource_definitions == []
        succeeds(client.resource_dfn_modify("disk", {}, delete_props=["Aux/one"]))
        found = definition(client, "disk").properties
        assert "Aux/one" not in found and found["Aux/two"] == "2"
    with step("two primaries by assignment"):
        assert disk.allow_two_primaries is False
        disk.allow_two_primaries = True
        assert linstor.Resource("disk", uri=LIVE).allow_two_primaries is True
        assert definition(client, "disk").properties["DrbdOptions/Net/allow-two-primaries"] == "yes"
        disk.allow_two_primaries = False
    with step("properties of a resource and of a volume definition"):
        node = disk.diskful_nodes()[0]
        succeeds(client.resource_modify(node, "disk", {"Aux/here": "yes"}))
        assert client.resource_list_raise([node], ["disk"]).resources[0].properties["Aux/here"] == "yes"
        succeeds(client.volume_dfn_modify("disk", 0, {"Aux/kind": "root"}))
        assert definition(client, "disk").volume_definitions[0].properties["Aux/kind"] == "root"
    with step("properties of the controller"):
        succeeds(client.controller_set_prop("Aux/colour", "green"))
        assert client.controller_props()[0].properties["Aux/colour"] == "green"
        succeeds(client.controller_del_prop("Aux/colour"))
        assert "Aux/colour" not in client.controller_props()[0].properties
    with step("a property that there is not, a value that it cannot have"):
        fails(client.resource_dfn_modify("disk", {"Nonsense": "1"}), consts.FAIL_INVLD_PROP)
        fails(client.resource_dfn_modify("disk", {"DrbdOptions/Net/allow-two-primaries": "perhaps"}), consts.FAIL_INVLD_PROP)
        fails(client.resource_dfn_modify("nothing", {"Aux/one": "1"}), consts.FAIL_NOT_FOUND_RSC_DFN)
    with step("key-value store"):
        store = linstor.KV("lab", namespace="/a/", uri=LIVE)
        store["b"] = "value"
        assert dict(linstor.KV("lab", namespace="/", uri=LIVE).items()) == {"/a/b": "value"}
        del store["b"]
        assert len(list(linstor.KV("lab", namespace="/", uri=LIVE).items())) == 0


def snapshots(client, disk):
    with step("a snapshot keeps what was there"):
        disk.snapshot_create("first")
        taken = client.snapshot_dfn_list_raise(filter_by_resources=["disk"]).snapshots
        assert [(each.rsc_name, each.snapshot_name) for each in taken] == [("disk", "first")]
        assert sorted(taken[0].nodes) == sorted(disk.diskful_nodes())
        assert "SUCCESSFUL" in taken[0].flags
        assert taken[0].snapshot_volume_definitions[0].size == 64 * 1024
        write(client, "disk", b"after the snapshot ")
    with step("restore to another resource: the old content, and independent of the first"):
        restored = disk.restore_from_snapshot("first", "restored")
        assert restored.defined and sorted(restored.diskful_nodes()) == sorted(disk.diskful_nodes())
        assert restored.volumes[0].size == 64 * MIB
        assert contents(client, "restored", 19) == b"before the snapshot"
        write(client, "restored", b"only in the restored")
        assert contents(client, "disk", 19) == b"after the snapshot "
    with step("rollback: the old content again, the snapshot stays"):
        disk.snapshot_rollback("first")
        assert contents(client, "disk", 19) == b"before the snapshot"
        assert snapshot_names(client, "disk") == ["first"]
    with step("a snapshot that exists, is missing, or has no proper name"):
        fails(client.snapshot_create([], "disk", "first"), consts.FAIL_EXISTS_SNAPSHOT_DFN)
        fails(client.snapshot_create([], "nothing", "s"), consts.FAIL_NOT_FOUND_RSC_DFN)
        fails(client.snapshot_create([], "disk", "1bad"), consts.FAIL_INVLD_SNAPSHOT_NAME)
        fails(client.snapshot_rollback("disk", "none"), consts.FAIL_NOT_FOUND_SNAPSHOT_DFN)
        raises(linstor.LinstorError, lambda: disk.snapshot_create("first"), "Could not create snapshot first")
        raises(linstor.LinstorError, lambda: disk.restore_from_snapshot("first", "restored"), "restored")
    with step("a definition with a snapshot is not deleted"):
        fails(client.resource_dfn_delete("disk"), consts.FAIL_EXISTS_SNAPSHOT_DFN)
        assert definition(client, "disk") is not None
    with step("thick LVM takes no snapshots"):
        succeeds(client.resource_dfn_create("thick", layer_list=["STORAGE"]))
        succeeds(client.volume_dfn_create("thick", 8 * 1024))
        succeeds(client.resource_create([linstor.ResourceData("node1", "thick", storage_pool="fat")]))
        refused = client.snapshot_create([], "thick", "s")
        assert any(reply.is_error() for reply in refused), [str(reply) for reply in refused]
        assert snapshot_names(client, "thick") == []
        succeeds(client.resource_dfn_delete("thick"))
    with step("snapshots of several resources at once"):
        succeeds(client.snapshot_create_multi([], ["disk", "restored"], "both"))
        assert snapshot_names(client, "disk") == ["both", "first"]
        assert snapshot_names(client, "restored") == ["both"]
    with step("snapshots are deleted"):
        succeeds(client.snapshot_delete("disk", "both"))
        succeeds(client.snapshot_delete("restored", "both"))
        disk.snapshot_delete("first")
        assert snapshot_names(client, "disk") == snapshot_names(client, "restored") == []


def cloning(client, disk):
    with step("clone: started, polled until complete, same content, independent"):
        write(client, "disk", b"what is cloned")
        clone = disk.clone("copy", timeout=60)
        assert clone.defined and clone.volumes[0].size == 64 * MIB
        assert client.resource_dfn_clone_status("disk", "copy").status.name == "COMPLETE"
        assert contents(client, "copy", 14) == b"what is cloned"
        write(client, "copy", b"changed later!")
        assert contents(client, "disk", 14) == b"what is cloned"
    with step("clone with properties of its own, where the controller can"):
        own = {"property_dict": {"Aux/label": "x"}, "delete_props": ["Aux/two"]}
        if client.api_version_smaller("1.26.0"):
            raises(linstor.LinstorError, lambda: disk.clone("labelled", timeout=60, **own), "not supported")
        else:
            disk.clone("labelled", timeout=60, **own)
            found = definition(client, "labelled").properties
            assert found["Aux/label"] == "x" and "Aux/two" not in found
            linstor.Resource("labelled", uri=LIVE).delete()
    with step("clone to a name that exists, of something that is missing"):
        raises(linstor.LinstorError, lambda: disk.clone("copy"))
        raises(linstor.LinstorError, lambda: linstor.Resource("nothing", uri=LIVE).clone("other"), "doesn't exist")
        assert definition(client, "other") is None
    return clone


def resizing(client, disk):
    with step("a volume grows by assignment, and keeps its content"):
        disk.volumes[0].size = 96 * MIB
        assert linstor.Resource("disk", uri=LIVE).volumes[0].size == 96 * MIB
        assert definition(client, "disk").volume_definitions[0].size == 96 * 1024
        assert contents(client, "disk", 14) == b"what is cloned"
        assert contents(client, "disk", 512, offset=96 * MIB - 512) == bytes(512)
    with step("shrinking is refused by the library, and by controllers since 1.33.3"):
        raises(ValueError, lambda: setattr(disk.volumes[0], "size", 32 * MIB), "shrinking")
        if not client.api_version_smaller("1.27.0"):
            refused = client.volume_dfn_modify("disk", 0, size=32 * 1024)
            assert any(reply.is_error() for reply in refused), [str(reply) for reply in refused]
        assert definition(client, "disk").volume_definitions[0].size == 96 * 1024
    with step("sizes and volumes that cannot be"):
        fails(client.volume_dfn_modify("disk", 7, size=128 * 1024), consts.FAIL_NOT_FOUND_VLM_DFN)
        fails(client.volume_dfn_create("disk", 0), consts.FAIL_INVLD_VLM_SIZE)
        fails(client.volume_dfn_create("disk", 1024, volume_nr=0), consts.FAIL_EXISTS_VLM_DFN)
        fails(client.volume_dfn_create("nothing", 1024), consts.FAIL_NOT_FOUND_RSC_DFN)
    with step("a second volume, and its end"):
        disk.volumes[1] = linstor.Volume("8 MiB")
        disk.autoplace()
        assert [each.number for each in definition(client, "disk").volume_definitions] == [0, 1]
        del disk.volumes[1]
        assert [each.number for each in definition(client, "disk").volume_definitions] == [0]


def deleting(client, group, resources):
    with step("deleting what is missing is a warning, not an error"):
        for replies in (client.resource_dfn_delete("nothing"), client.resource_delete("node1", "nothing")):
            assert not any(reply.is_error() for reply in replies), [str(reply) for reply in replies]
            assert any(reply.is_warning() for reply in replies), [str(reply) for reply in replies]
    with step("a group with definitions is not deleted"):
        fails(client.resource_group_delete("data"), consts.FAIL_EXISTS_RSC_DFN)
    with step("resources are deleted, with snapshots too"):
        resources[0].snapshot_create("last")
        paths = [path for resource in resources for path, _ in devices(client, resource.linstor_name).values()]
        for resource in resources:
            resource.delete()
            resource.delete()
        assert client.resource_dfn_list_raise().resource_definitions == []
        assert client.resource_list_raise().resources == []
        assert client.snapshot_dfn_list_raise().snapshots == []
        for path in paths:
            raises(FileNotFoundError, lambda: open(path, "rb"))
    with step("the group is deleted; only the default one is left, and all space is free again"):
        group.delete()
        assert [each.name for each in client.resource_group_list_raise().resource_groups] == ["DfltRscGrp"]
        for pool in client.storage_pool_list_raise(filter_by_stor_pools=["thin", "fat"]).storage_pools:
            assert pool.free_space.free_capacity == pool.free_space.total_capacity


def main():
    connections()
    client = connect()
    nodes(client)
    pools(client)
    group = groups(client)
    disk = spawning(client, group)
    placed = placing(client)
    properties(client, disk)
    snapshots(client, disk)
    clone = cloning(client, disk)
    resizing(client, disk)
    deleting(client, group, [disk, placed, clone, linstor.Resource("restored", uri=LIVE)])


main()
